"""Test that rows which a model has seen are found again, by features, group or time.

Settings carry the proof to other environments.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.project_tables import make_project, prepared, spec_of, write

from titlebout.data import (
    count_seen,
    keep_seen,
    load_part,
    load_seen,
    proof_in_words,
    prove_disjoint,
    seen_rows,
)
from titlebout.data.keys import keys_of, row_keys, whole_rows
from titlebout.data.schema import wire_frame
from titlebout.data.seen_rows import NOT_SAID
from titlebout.data.split import HOLDOUT, TRAIN, SplitInput, split
from titlebout.spec import PART_NAMES, DataError, Dataset, SeenRows, Split
from titlebout.storage import Storage

NUMBERS = {"a": "number", "b": "category"}
BY_GROUP = {"group_column": "who", "split": {"by": "group"}}
BY_TIME = {"time_column": "when", "split": {"by": "time"}}


def stored(project: Path) -> Storage:
    return Storage(str(project / "storage"))


def customers(count: int, *, seed: int = 0, balance: int = 0) -> pd.DataFrame:
    """Return customers with one row each. Feature `a` moves with the balance."""
    random = np.random.default_rng(seed)
    score = random.normal(size=count)
    return pd.DataFrame(
        {
            "who": [f"customer {number}" for number in range(count)],
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(count), unit="h"),
            "a": score.round(6) + balance,
            "b": random.choice(["x", "y", "Ω"], count),
            "y": np.where(score + random.normal(size=count) > 0, "yes", "no"),
        }
    )


def seen_of(project: Path, dataset: Dataset) -> SeenRows:
    return seen_rows(
        dataset, *(load_part(stored(project), dataset, part) for part in ("train", "validation"))
    )


@settings(max_examples=15, deadline=None)
@given(
    profiles=st.integers(30, 80),
    copies=st.integers(1, 18),
    kinds=st.lists(
        st.sampled_from(["number", "text", "date", "missing", "truth", "large"]),
        min_size=1,
        max_size=4,
    ),
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    seed=st.integers(0, 2**32),
)
def test_copies_of_a_row_share_its_part_whatever_their_labels_and_identifiers(
    profiles, copies, kinds, task, seed
):
    """Keep rows of equal features in one part, in any order, with any identifier or label."""
    random = np.random.default_rng(seed)
    table = copied(random, profiles, copies, kinds)
    table["y"] = labels(random, len(table), task)
    types = {
        "number": "number",
        "text": "category",
        "date": "date",
        "missing": "number",
        "truth": "boolean",
        "large": "number",
    }
    spec = spec_of(
        {
            **{f"{kind} {number}": types[kind] for number, kind in enumerate(kinds)},
            "profile": "category",
        },
        task=task,
        target={"column": "y", "positive": "yes" if task == "binary" else None},
    )
    shuffled = table.sample(frac=1, random_state=seed % 2**31)
    relabelled = table.assign(y=labels(random, len(table), task))
    parts = [parts_of(each, spec) for each in (table, shuffled, relabelled)]
    assert pd.Series(parts[0]).groupby(table["profile"].to_numpy()).nunique().max() == 1
    assert dict(zip(shuffled["id"], parts[1], strict=True)) == dict(
        zip(table["id"], parts[0], strict=True)
    )
    if task == "regression":  # else a class without rows in a part may take some
        assert (parts[0] == parts[2]).all()


def copied(
    random: np.random.Generator, profiles: int, copies: int, kinds: list[str]
) -> pd.DataFrame:
    made = {
        "number": random.normal(size=profiles),
        "text": random.choice(["a", "Łódź", "日本", "a b", ""], profiles),
        "date": pd.Timestamp("1999-12-31")
        + pd.to_timedelta(random.integers(0, 9_999, profiles), unit="D"),
        "missing": np.where(random.random(profiles) < 0.5, np.nan, 1.5),
        "truth": random.random(profiles) < 0.5,
        "large": random.integers(2**30, 2**40, profiles),
    }
    table = pd.DataFrame({f"{kind} {number}": made[kind] for number, kind in enumerate(kinds)})
    table["profile"] = [f"p{number}" for number in range(profiles)]
    table = table.loc[
        np.repeat(np.arange(profiles), random.integers(1, copies + 1, profiles))
    ].reset_index(drop=True)
    return table.assign(id=np.arange(len(table)))


def labels(random: np.random.Generator, rows: int, task: str) -> np.ndarray:
    if task == "regression":
        return random.normal(size=rows)
    return random.choice(["yes", "no"] if task == "binary" else ["yes", "no", "perhaps"], rows)


def parts_of(table: pd.DataFrame, spec) -> np.ndarray:
    keys = keys_of(table, wire_frame(table, spec), spec, whole=whole_rows(table))
    codes = None if spec.task == "regression" else pd.factorize(table["y"], sort=True)[0]
    return split(
        SplitInput(keys.hashes, codes, tuple(sorted(set(table["y"].map(str)))), None, None),
        spec.split,
        subject="t",
    )


def test_a_grid_of_few_features_is_split_by_row(tmp_path: Path):
    """Split nine blocks by single rows, and say so."""
    random = np.random.default_rng(1)
    table = pd.DataFrame(
        {"a": random.integers(0, 3, 2_000), "b": random.choice(["x", "y", "z"], 2_000)}
    )
    table["y"] = np.where(random.random(2_000) < 0.2 + 0.2 * table["a"], "yes", "no")
    project = make_project(tmp_path)
    write(project, table)
    dataset = prepared(project, spec_of(NUMBERS))
    assert any("only 9 different rows of features in 2,000" in note for note in dataset.notes)
    holdout, train = (load_part(stored(project), dataset, part) for part in ("holdout", "train"))
    assert len(holdout.y) == pytest.approx(400, abs=60)
    assert holdout.groups is None
    assert holdout.y.mean() == pytest.approx(train.y.mean(), abs=0.06)
    assert prove_disjoint(stored(project), dataset, dataset) == 0


@pytest.mark.parametrize(
    ("blocks", "copies", "whole"),
    [
        (15, 18, False),
        (16, 18, True),
        (39, 20, False),
        (40, 20, True),
        (40, 500, True),
        (30, 1, True),
    ],
)
def test_copies_stay_whole_and_a_dense_grid_does_not(blocks: int, copies: int, whole: bool):
    """Split sixteen blocks whole. Up to forty, blocks of twenty rows on average are a grid."""
    table = pd.DataFrame(
        {"a": np.repeat(np.arange(blocks), copies), "y": np.arange(blocks * copies) % 2}
    )
    keys = row_keys(table[["a"]], whole_rows(table), Split(by="row"))
    assert len(np.unique(keys.hashes)) == (blocks if whole else len(table))
    assert bool(keys.notes) is not whole


def test_the_blocks_of_a_row_split_are_copies(tmp_path: Path):
    """Make groups of the copies, which intervals and folds keep together; else make none."""
    project = make_project(tmp_path)
    write(project, pd.concat([customers(300), customers(100)]))
    holdout = load_part(stored(project), prepared(project, spec_of(NUMBERS)), "holdout")
    assert len(np.unique(holdout.groups)) == len(np.unique(holdout.hashes)) < len(holdout.hashes)
    write(project, customers(300))
    assert load_part(stored(project), prepared(project, spec_of(NUMBERS)), "holdout").groups is None


def test_time_and_group_are_two_ways_at_once(tmp_path: Path):
    """Have both days and groups in a split by time with a group column."""
    project = make_project(tmp_path)
    write(project, customers(600).assign(who=lambda table: table.index % 31))
    part = load_part(
        stored(project), prepared(project, spec_of(NUMBERS, group_column="who", **BY_TIME)), "train"
    )
    assert len(np.unique(part.groups)) == 31
    assert len(np.unique(part.days)) == part.frame["when"].dt.normalize().nunique() > 10


def test_one_changed_balance_hides_a_customer_from_a_proof_by_rows_and_from_no_other(
    tmp_path: Path,
):
    """Prove nothing about customers by row, and say so. By group or key, each keeps its part."""
    project = make_project(tmp_path)
    for more, words in (
        ({}, "rows are proved, not entities"),
        (BY_GROUP, "no who of the holdout is among those"),
        ({"split": {"by": "row", "key": ("who",)}}, "equal in who"),
    ):
        write(project, customers(2_000))
        old = prepared(project, spec_of(NUMBERS, **more))
        write(project, customers(2_000, balance=1))
        new = prepared(project, spec_of(NUMBERS, **more))
        assert prove_disjoint(stored(project), new, old) == 0
        assert words in proof_in_words(new)
        again = {part: load_part(stored(project), new, part).frame["a"] - 1 for part in PART_NAMES}
        known = pd.concat(
            [load_part(stored(project), old, part).frame["a"] for part in ("train", "validation")]
        )
        trained_on = again["holdout"].round(6).isin(known.round(6)).mean()
        assert trained_on > 0.7 if not more else trained_on == 0


def test_a_group_that_was_trained_on_counts_as_seen_with_other_rows_too(tmp_path: Path):
    """Count all later rows of a group that was trained on, though their features differ."""
    project = make_project(tmp_path)
    write(project, customers(600).assign(who=lambda table: table.index % 100))
    old = prepared(
        project,
        spec_of(
            NUMBERS, group_column="who", split={"by": "group", "holdout": 0.05, "validation": 0.05}
        ),
    )
    write(project, customers(600, seed=9).assign(who=lambda table: table.index % 100))
    new = prepared(project, spec_of(NUMBERS, **BY_GROUP))
    held = {
        part: set(load_part(stored(project), dataset, part).frame["who"])
        for dataset, part in ((new, "holdout"),)
    }["holdout"]
    free = set(load_part(stored(project), old, "holdout").frame["who"])
    rows = load_part(stored(project), new, "holdout").frame["who"]
    assert prove_disjoint(stored(project), new, old) == int((~rows.isin(free)).sum()) > 0
    assert held - free


@pytest.mark.parametrize("more", [{}, BY_GROUP, {"task": "regression", "target": {"column": "a2"}}])
@pytest.mark.parametrize("rows", [40, 300, 3_000])
def test_what_dev_tuned_on_is_not_in_prods_holdout(tmp_path: Path, more: dict, rows: int):
    """Prove it without dev's dataset, by the record in the lock. Find rows of another share."""
    project = make_project(tmp_path)
    table = customers(rows + rows // 10).assign(a2=lambda each: each["a"] * 2)
    write(project, table.head(rows))
    seen = seen_of(project, prepared(project, spec_of(NUMBERS, **more)))
    write(project, table)
    assert count_seen(stored(project), prepared(project, spec_of(NUMBERS, **more)), seen) == 0
    wider = {**more, "split": {**more.get("split", {"by": "row"}), "holdout": 0.5}}
    assert (
        count_seen(stored(project), prepared(project, spec_of(NUMBERS, **wider)), seen) > rows / 10
    )


def test_by_time_rows_from_the_first_to_the_last_tuned_on_are_seen(tmp_path: Path):
    """Count the holdout rows between the first and the last row tuned on, and no later ones."""
    project = make_project(tmp_path)
    write(project, customers(1_000))
    all_rows = prepared(project, spec_of(NUMBERS, **BY_TIME))
    assert count_seen(stored(project), all_rows, seen_of(project, all_rows)) == 0
    begins = pd.Timestamp(all_rows.parts["holdout"].first_time)
    early = prepared(project, spec_of(NUMBERS, **BY_TIME), as_of="2020-01-20")
    assert count_seen(stored(project), all_rows, seen_of(project, early)) == 0
    within = seen_of(project, all_rows).model_copy(
        update={"until": (begins + pd.Timedelta(hours=4)).isoformat()}
    )
    assert count_seen(stored(project), all_rows, within) == 5
    assert (
        count_seen(stored(project), early, seen_of(project, all_rows))
        == early.parts["holdout"].rows
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"columns": {"a": "number"}}, r"other source columns \(b\)"),
        (BY_GROUP, "by row there and by group here"),
    ],
)
def test_settings_tuned_on_rows_that_do_not_compare_are_no_proof(
    tmp_path: Path, more: dict, message: str
):
    """Refuse other features or another split, and advise to tune again."""
    project = make_project(tmp_path)
    write(project, customers(300))
    seen = seen_of(project, prepared(project, spec_of(NUMBERS)))
    columns = more.pop("columns", NUMBERS)
    with pytest.raises(DataError, match=f"{message}.*Next: tune again"):
        count_seen(stored(project), prepared(project, spec_of(columns, **more)), seen)


def test_the_only_row_of_a_class_is_known_to_be_seen(tmp_path: Path):
    """Name the only row of a class in the record, so that it hides no other row of its class."""
    random = np.random.default_rng(3)
    project = make_project(tmp_path)
    spec = spec_of(NUMBERS, task="multiclass", target={"column": "y"})
    for value in range(60):
        table = customers(300).assign(y=random.choice(["no", "yes"], 300))
        table.loc[0, ["a", "y"]] = [1_000 + value, "rare"]
        write(project, table)
        seen = seen_of(project, prepared(project, spec))
        if seen.besides:
            break
    assert len(seen.besides) == 1
    assert "rare" not in seen.seen_from
    more = table.tail(1).assign(a=[5_000 + value], y="rare")
    write(
        project, pd.concat([table, more.loc[more.index.repeat(3)].assign(a=[5_000, 5_001, 5_002])])
    )
    assert count_seen(stored(project), prepared(project, spec), seen) in (0, 1)


def test_the_record_of_seen_rows_is_kept_by_its_digest(tmp_path: Path):
    """Store the record by its digest. Refuse settings whose rows are not known."""
    project = make_project(tmp_path)
    write(project, customers(300))
    seen, storage = seen_of(project, prepared(project, spec_of(NUMBERS))), stored(project)
    assert load_seen(storage, keep_seen(storage, seen)) == seen
    assert keep_seen(storage, None) == NOT_SAID
    for digest in (NOT_SAID, "0" * 64):
        with pytest.raises(DataError, match="commit settings"):
            load_seen(storage, digest)


def test_a_key_must_be_present_and_holds_no_label(tmp_path: Path):
    """Refuse an absent key column, the target as key, and a key in a split by time."""
    project = make_project(tmp_path)
    write(project, customers(300))
    with pytest.raises(DataError, match="'whom' may be 'who'"):
        prepared(project, spec_of(NUMBERS, split={"by": "row", "key": ("whom",)}))
    for more in (
        {"split": {"by": "row", "key": ("y",)}},
        {**BY_TIME, "split": {"by": "time", "key": ("who",)}},
    ):
        with pytest.raises(ValueError, match=r"split\.key|`key` belongs"):
            spec_of(NUMBERS, **more)


def test_copies_once_decided_parts_by_their_label():
    """Show the broken variant: by hashes of whole rows, copies in train have another label."""
    random = np.random.default_rng(5)
    table = pd.DataFrame(
        {"a": np.repeat(np.arange(300), 18), "y": random.choice(["no", "yes"], 5_400)}
    )
    codes = (table["y"] == "yes").to_numpy(dtype=np.int64)

    def twins_of_other_label(hashes: np.ndarray) -> float:
        parts = split(
            SplitInput(hashes, codes, ("no", "yes"), None, None), Split(by="row"), subject="t"
        )
        trained = table[parts == TRAIN].groupby("a")["y"].agg(["min", "max"])
        held = table[parts == HOLDOUT].join(trained, on="a")
        return float(((held["min"] == held["max"]) & (held["min"] != held["y"])).mean())

    assert twins_of_other_label(whole_rows(table).hashes) > 0.5
    assert (
        twins_of_other_label(row_keys(table[["a"]], whole_rows(table), Split(by="row")).hashes) == 0
    )
