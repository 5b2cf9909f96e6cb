"""Test that the same rows are frozen under the same digest, and that altered ones are refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.project_tables import REPOSITORY, make_project, mixed, prepared, spec_of, write

from titlebout.data import load_dataset, load_part, prepare_dataset, prove_disjoint, read_source
from titlebout.spec import (
    PART_NAMES,
    DataError,
    Dataset,
    IntegrityError,
    ModelSpec,
    SpecError,
    load_model_spec,
)
from titlebout.storage import Storage

COLUMNS = {
    "größe": "number",
    "index": "number",
    "float32": "number",
    "count": "category",
    "city": "category",
    "code": "category",
    "member": "boolean",
    "asked": "boolean",
    "day": "date",
}
MIXED = spec_of(COLUMNS)


def stored(project: Path) -> Storage:
    return Storage(str(project / "storage"))


def row_sets(project: Path, dataset: Dataset) -> dict[str, set[int]]:
    return {
        part: set(load_part(stored(project), dataset, part).hashes.tolist()) for part in PART_NAMES
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = make_project(tmp_path)
    write(folder, mixed())
    return folder


@pytest.mark.parametrize("by", ["row", "time"])
def test_format_and_order_leave_no_trace(project: Path, by: str):
    """Give CSV, Parquet and permuted rows the same parts, content and digests."""
    more = {"split": {"by": by}, "time_column": "when"}
    first = prepared(project, spec_of(COLUMNS, **more))
    table = mixed().sample(frac=1, random_state=1)
    write(project, table, "table.parquet")
    second = prepared(project, spec_of(COLUMNS, source={"file": "table.parquet"}, **more))
    assert row_sets(project, first) == row_sets(project, second)
    assert first.parts == second.parts
    assert first.rows == 630
    write(project, table)
    assert prepared(project, spec_of(COLUMNS, **more)).digest == first.digest


def test_preparing_again_changes_nothing(project: Path):
    """Write nothing the second time, except the record if a kill came before it."""
    dataset = prepared(project, MIXED)
    files = {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in (project / "storage").rglob("*.*")
    }
    assert len(files) == 7
    assert prepared(project, MIXED).digest == dataset.digest
    assert files == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    (project / "storage" / "datasets" / dataset.digest / "record.json").unlink()
    prepared(project, MIXED)
    assert load_dataset(stored(project), dataset.digest) == dataset


def test_a_value_more_or_less_is_another_digest(project: Path):
    """Give another digest even if a value differs in a column that the model does not see."""
    before = prepared(project, MIXED)
    table = mixed()
    table.loc[3, "snowflake"] += 1
    write(project, table)
    assert prepared(project, MIXED).digest != before.digest


def test_a_part_holds_what_training_needs(project: Path):
    """Load wire form, model columns in model.yaml's order, and 1 for the positive class."""
    dataset = load_dataset(stored(project), prepared(project, MIXED).digest)
    assert dataset.classes == ("no", "yes")
    part = load_part(stored(project), dataset, "train")
    assert list(part.frame) == [*COLUMNS, "y"]
    assert list(dataset.columns) == list(COLUMNS) != sorted(COLUMNS)
    assert list(part.X)[:8] == list(COLUMNS)[:8]
    assert list(part.X)[8:] == [
        f"day.{piece}" for piece in ("year", "month", "day", "weekday", "hour")
    ]
    assert (part.y == (part.frame["y"] == "yes")).all()
    assert set(part.frame["count"].dropna()) == set("012345678")
    assert set(part.X["count"]) == {*"012345678", ""}
    assert part.X["asked"].isna().sum() == part.frame["asked"].isna().sum() > 0
    assert part.X["member"].isin([0, 1]).all()
    assert part.days is None
    assert len(part.hashes) == len(part.X) == dataset.parts["train"].rows


def test_rows_of_a_day_or_of_a_group_have_one_code(project: Path):
    """Make days from the time column, groups from the group column."""
    by_time = prepared(project, spec_of(COLUMNS, time_column="when", split={"by": "time"}))
    part = load_part(stored(project), by_time, "holdout")
    days = part.frame["when"].dt.normalize()
    assert part.groups is None
    assert len(set(part.days)) == days.nunique() > 30
    assert (pd.Series(part.days).groupby(days).nunique() == 1).all()
    assert by_time.parts["train"].last_time < by_time.parts["validation"].first_time
    write(project, mixed().assign(shop=lambda table: table.index % 37))
    by_group = prepared(project, spec_of(COLUMNS, group_column="shop", split={"by": "group"}))
    shops = {
        part: set(load_part(stored(project), by_group, part).frame["shop"]) for part in PART_NAMES
    }
    assert not shops["train"] & shops["holdout"]
    part = load_part(stored(project), by_group, "train")
    assert part.days is None
    assert len(set(part.groups)) == len(shops["train"])


def test_rows_without_target_are_left_out_and_counted(project: Path):
    """Leave out rows with either kind of missing target."""
    table = mixed()
    table["y"] = table["y"].mask(table.index % 10 == 0)
    write(project, table)
    dataset = prepared(project, MIXED)
    assert (dataset.rows, dataset.dropped_without_target) == (567, 63)


def test_no_holdout_row_was_trained_on(project: Path):
    """Prove that no holdout row was trained on, though 30 rows have copies; else count them."""
    dataset = prepared(project, MIXED)
    assert prove_disjoint(stored(project), dataset, dataset) == 0
    other = prepared(
        project, spec_of(COLUMNS, split={"by": "row", "holdout": 0.05, "validation": 0.05})
    )
    seen = row_sets(project, dataset)["holdout"] - row_sets(project, other)["holdout"]
    assert prove_disjoint(stored(project), dataset, other) == len(
        [
            row
            for row in load_part(stored(project), dataset, "holdout").hashes.tolist()
            if row in seen
        ]
    )
    assert len(seen) > 50


def test_other_columns_prove_nothing_but_time_may(project: Path):
    """Take a later holdout for a proof, but not row hashes of different columns."""
    timed = {"time_column": "when", "split": {"by": "time"}}
    write(project, mixed(300))
    old_timed = prepared(project, spec_of(COLUMNS, **timed))
    write(project, mixed().assign(new=1))
    new_timed = prepared(project, spec_of(COLUMNS, **timed))
    assert prove_disjoint(stored(project), new_timed, old_timed) == 0
    with pytest.raises(DataError, match="other source columns"):
        prove_disjoint(stored(project), old_timed, new_timed)


def test_a_row_keeps_its_part_when_features_change_if_the_key_is_kept(project: Path):
    """Keep the parts if split.key keeps the old features. The refusal names the line to write."""
    write(project, mixed(300))
    old = prepared(project, MIXED)
    write(project, mixed().assign(new=1))
    assert prove_disjoint(stored(project), prepared(project, MIXED), old) == 0
    more = {**COLUMNS, "new": "number"}
    with pytest.raises(
        DataError,
        match=r"other source columns \(new\).*"
        r"Next: write `split: {by: row, key: \[asked, city, .*\]}`",
    ):
        prove_disjoint(stored(project), prepared(project, spec_of(more)), old)
    pinned = prepared(project, spec_of(more, split={"by": "row", "key": tuple(COLUMNS)}))
    assert prove_disjoint(stored(project), pinned, old) == 0
    dropped = {name: kind for name, kind in more.items() if name != "city"}
    without = prepared(project, spec_of(dropped, split={"by": "row", "key": tuple(COLUMNS)}))
    assert prove_disjoint(stored(project), without, pinned) == 0


def altered_value(folder: Path) -> None:
    table = pd.read_parquet(folder / "holdout.parquet")
    table.loc[0, "größe"] += 1e-9
    table.to_parquet(folder / "holdout.parquet", index=False)


def swapped_rows(folder: Path) -> None:
    table = pd.read_parquet(folder / "holdout.parquet")
    table.iloc[::-1].to_parquet(folder / "holdout.parquet", index=False)


def altered_hash(folder: Path) -> None:
    hashes = pd.read_parquet(folder / "holdout.hashes.parquet")
    hashes.loc[0, "hash"] ^= np.uint64(1)
    hashes.to_parquet(folder / "holdout.hashes.parquet", index=False)


def cut_file(folder: Path) -> None:
    content = (folder / "holdout.parquet").read_bytes()
    (folder / "holdout.parquet").write_bytes(content[: len(content) // 2])


def lost_file(folder: Path) -> None:
    (folder / "holdout.hashes.parquet").unlink()


@pytest.mark.parametrize("alter", [altered_value, swapped_rows, altered_hash, cut_file, lost_file])
def test_an_altered_part_is_refused(project: Path, alter):
    """Refuse a part with an altered value, order or hash, or without a whole file."""
    dataset = prepared(project, MIXED)
    alter(project / "storage" / "datasets" / dataset.digest)
    with pytest.raises(IntegrityError):
        load_part(stored(project), dataset, "holdout")
    assert len(load_part(stored(project), dataset, "train").y) == dataset.parts["train"].rows


def test_an_altered_or_absent_record_is_refused(project: Path):
    """Refuse a record that does not match its digest."""
    dataset = prepared(project, MIXED)
    path = project / "storage" / "datasets" / dataset.digest / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rows": 1}))
    with pytest.raises(IntegrityError):
        load_dataset(stored(project), dataset.digest)
    with pytest.raises(DataError, match="run prepare again"):
        load_dataset(stored(project), "0" * 64)


def test_a_small_fraction_keeps_rows_in_their_parts(tmp_path: Path):
    """Keep each row of a tenth in the part that it has in the whole table."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=20_000), "y": rng.choice(["no", "yes"], 20_000)})
    whole, tenth = make_project(tmp_path / "whole"), make_project(tmp_path / "tenth", fraction=0.1)
    sets = {}
    for folder in (whole, tenth):
        write(folder, table, "table.parquet")
        sets[folder] = row_sets(
            folder, prepared(folder, spec_of({"a": "number"}, source={"file": "table.parquet"}))
        )
    assert 1_800 < sum(map(len, sets[tenth].values())) < 2_200
    assert all(sets[tenth][part] <= sets[whole][part] for part in PART_NAMES)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_thirty_rows_are_enough(tmp_path: Path, task: str):
    """Prepare thirty rows, in an environment with a window and a fraction, too."""
    folder = make_project(tmp_path, fraction=0.1, days=10)
    table = mixed(30).head(30)
    table["y"] = {
        "binary": table.index % 3 == 0,
        "multiclass": table.index % 3,
        "regression": table["größe"] * 2,
    }[task]
    write(folder, table)
    target = {"column": "y", **({"positive": "True"} if task == "binary" else {})}
    dataset = prepared(
        folder, spec_of({"größe": "number", "city": "category"}, task=task, target=target)
    )
    assert dataset.rows == 30
    assert min(part.rows for part in dataset.parts.values()) >= 3
    assert any("widened" in note for note in dataset.notes)


def test_a_time_column_has_one_meaning(project: Path):
    """Refuse a time column that is a feature of another type than date."""
    with pytest.raises(SpecError, match="type date"):
        prepared(project, spec_of({"when": "category"}, time_column="when"))


def test_a_row_without_group_is_refused(project: Path):
    """Refuse a row that has no group."""
    with pytest.raises(DataError, match="a group in every row"):
        prepared(project, spec_of({"größe": "number"}, group_column="count", split={"by": "group"}))


def test_the_step_writes_the_record(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Write the record by which the pipeline's next step finds the dataset."""
    monkeypatch.setenv("TITLEBOUT_PROJECT", str(project))
    (project / "models" / "tried" / "model.yaml").write_text(MIXED.canonical_json())
    out = project / "run" / "dataset"
    dataset = prepare_dataset(model="tried", environment="dev", as_of=None, out=out)
    assert Dataset.from_json(out) == dataset == load_dataset(stored(project), dataset.digest)


def test_the_step_takes_what_another_process_prepared(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    """Take the dataset by its digest without reading the source. Refuse another model's."""
    monkeypatch.setenv("TITLEBOUT_PROJECT", str(project))
    (project / "models" / "tried" / "model.yaml").write_text(MIXED.canonical_json())
    before = prepare_dataset(model="tried", environment="dev", as_of=None, out=project / "first")
    for table in (project / "models" / "tried").glob("table*"):
        table.unlink()
    monkeypatch.setenv("TITLEBOUT_PREPARED", before.digest)
    assert (
        prepare_dataset(model="tried", environment="dev", as_of=None, out=project / "second")
        == before
    )
    assert Dataset.from_json(project / "second") == before
    other = before.model_copy(update={"model": "another"})
    stored(project).write_record(other, "datasets", other.digest, "dataset.json")
    for digest in (other.digest, "0" * 64):
        monkeypatch.setenv("TITLEBOUT_PREPARED", digest)
        with pytest.raises(DataError, match=f"dataset {digest}"):
            prepare_dataset(model="tried", environment="dev", as_of=None, out=project / "third")


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelSpec]:
    """Return every thirtieth flight of models/flights, as its own features.py reads them."""
    spec = load_model_spec(REPOSITORY, "flights")
    folder = make_project(tmp_path_factory.mktemp("flights"), days=120)
    sample = read_source(REPOSITORY, spec).iloc[::30]
    (folder / "models" / "flights").mkdir()
    sample.to_parquet(folder / "models" / "flights" / "sample.parquet")
    return folder, ModelSpec.model_validate(
        {**spec.model_dump(), "source": {"file": "sample.parquet", "function": None}}, strict=False
    )


def test_real_flights_are_split_by_time(flights: tuple[Path, ModelSpec]):
    """Hold out the last fifth of the window. A later as-of time trains on rows once held out."""
    folder, spec = flights
    may, june = (prepared(folder, spec, as_of=day) for day in ("2013-05-01", "2013-06-01"))
    assert may.window == ("2013-01-01T00:00:00", "2013-05-01T00:00:00")
    assert may.classes == ("on time", "late")
    assert [may.parts[part].rows / may.rows for part in PART_NAMES] == pytest.approx(
        [0.65, 0.15, 0.2], abs=0.01
    )
    assert may.parts["validation"].last_time < may.parts["holdout"].first_time
    assert prove_disjoint(stored(folder), june, may) == 0
    assert prove_disjoint(stored(folder), may, june) > 300
    part = load_part(stored(folder), may, "holdout")
    assert 0.1 < part.y.mean() < 0.4
    assert list(part.X) == list(spec.columns)


def test_a_planted_wrong_value_in_real_flights_is_named(flights: tuple[Path, ModelSpec]):
    """Name a distance below the 50 miles that model.yaml expects."""
    folder, spec = flights
    sample = pd.read_parquet(folder / "models" / "flights" / "sample.parquet")
    sample.loc[sample.index[5], "distance"] = 3
    sample.to_parquet(folder / "models" / "flights" / "broken.parquet")
    broken = spec.model_copy(
        update={"source": spec.source.model_copy(update={"file": "broken.parquet"})}
    )
    with pytest.raises(
        DataError,
        match=r"column 'distance': 1 of [\d,]+ values are below the minimum 50, "
        r"for example '3.0' in row 6",
    ):
        prepared(folder, broken, as_of="2013-05-01")
