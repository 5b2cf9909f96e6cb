"""Splits: every row has one part for good, every part has rows of every kind, and nothing leaks from one into another."""

import numpy as np
import pandas as pd
import pytest

from titlebout.data.hashes import row_hashes, value_hashes
from titlebout.data.split import HOLDOUT, RANKED_BELOW, TRAIN, VALIDATION, Rows, cost, split, trained_rows
from titlebout.spec import DataError, Split

BY_ROW, BY_TIME, BY_GROUP = Split(by="row"), Split(by="time"), Split(by="group")


def rows_of(count: int, *, classes: np.ndarray | None = None, times: np.ndarray | None = None, groups: np.ndarray | None = None) -> Rows:
    hashes = row_hashes(pd.DataFrame({"a": np.arange(count)}))
    names = tuple(f"class {code}" for code in range(int(classes.max()) + 1)) if classes is not None else ()
    return Rows(hashes, classes, names, times, None if groups is None else value_hashes(pd.Series(groups)))


def shares(parts: np.ndarray) -> list[float]:
    return [float((parts == code).mean()) for code in (TRAIN, VALIDATION, HOLDOUT)]


def test_many_rows_get_their_shares():
    """65, 15 and 20 per cent, within the hash's scatter."""
    assert shares(split(rows_of(20_000), BY_ROW, subject="t")) == pytest.approx([0.65, 0.15, 0.2], abs=0.01)


def test_a_row_never_changes_its_part():
    """Twice the rows: the old ones stay where they were."""
    many = rows_of(20_000, classes=np.arange(20_000) % 3)
    few = many.take(np.arange(20_000) < 10_000)
    assert (split(many, BY_ROW, subject="t")[:10_000] == split(few, BY_ROW, subject="t")).all()


@pytest.mark.parametrize("rare", [5, 10, 15])
def test_thirty_rows_have_every_class_in_every_part(rare: int):
    """Ranks give a class of five rows one each to choose and to judge by; the shares of the whole hold within two rows."""
    parts = split(rows_of(30, classes=(np.arange(30) < rare).astype(np.int64)), BY_ROW, subject="t")
    for code in (TRAIN, VALIDATION, HOLDOUT):
        assert (parts[:rare] == code).any()
        assert (parts[rare:] == code).any()
    assert np.array(shares(parts)) * 30 == pytest.approx([19.5, 4.5, 6], abs=2)


def test_thirty_rows_of_a_regression_have_exact_shares():
    """Not the hash's scatter: 20, 4 and 6 rows (half of a row is rounded to even)."""
    assert np.bincount(split(rows_of(30), BY_ROW, subject="t")).tolist() == [20, 4, 6]


@pytest.mark.parametrize("holdout", [0.05, 0.45, 0.88])
def test_small_strata_always_leave_rows_to_train_on(holdout: float):
    """Whatever shares are asked for."""
    parts = split(rows_of(30, classes=np.arange(30) % 10), Split(by="row", validation=0.01, holdout=holdout), subject="t")
    assert set(np.flatnonzero(parts == TRAIN) % 10) == set(range(10))


def test_what_ranks_cost_is_said():
    """A table that is small, or has a small class, says so; a large one, or a split by time, does not."""
    assert "fewer than 400 rows" in cost(rows_of(RANKED_BELOW - 1), BY_ROW)[0]
    assert "1 of 2 classes" in cost(rows_of(1_000, classes=(np.arange(1_000) < 50).astype(np.int64)), BY_ROW)[0]
    assert cost(rows_of(RANKED_BELOW), BY_ROW) == ()
    assert cost(rows_of(30, times=np.arange(30)), BY_TIME) == ()


def test_copies_share_a_part_even_when_ranked():
    """Each of 40 rows three times: a row's copies are never torn apart."""
    once = rows_of(40)
    parts = split(once._replace(hashes=np.repeat(once.hashes, 3)), BY_ROW, subject="t").reshape(40, 3)
    assert (parts == parts[:, :1]).all()


def test_by_time_the_last_rows_are_the_holdout():
    """In any order of the source."""
    times = np.random.default_rng(0).permutation(1_000)
    parts = split(rows_of(1_000, times=times), BY_TIME, subject="t")
    assert np.bincount(parts).tolist() == [650, 150, 200]
    assert times[parts == TRAIN].max() < times[parts == VALIDATION].min() < times[parts == VALIDATION].max() < times[parts == HOLDOUT].min()


@pytest.mark.parametrize(
    "times", [np.arange(100) // 7, np.minimum(np.arange(100), 80), np.maximum(np.arange(100), 50), np.arange(100) // 34]
)
def test_by_time_ties_stay_together(times: np.ndarray):
    """Weeks, a pile at the end, a pile at the start, and three different times only."""
    parts = split(rows_of(100, times=times), BY_TIME, subject="t")
    assert all(len(set(parts[times == time])) == 1 for time in times)
    assert set(parts) == {TRAIN, VALIDATION, HOLDOUT}
    assert (np.diff(parts) >= 0).all()


@pytest.mark.parametrize("groups", [5, 50, 3_000])
def test_groups_stay_together(groups: int):
    """Few and many groups; each part has some."""
    names = np.random.default_rng(1).integers(0, groups, 10_000)
    parts = split(rows_of(10_000, groups=names), BY_GROUP, subject="t")
    assert pd.Series(parts).groupby(names).nunique().max() == 1
    assert set(parts) == {TRAIN, VALIDATION, HOLDOUT}


def test_a_group_never_changes_its_part():
    """When there are many groups, half of the rows are enough to know the part of each."""
    names = np.random.default_rng(1).integers(0, 1_000, 20_000)
    many = rows_of(20_000, groups=names)
    few = many.take(np.arange(20_000) % 2 == 0)
    assert (split(many, BY_GROUP, subject="t")[::2] == split(few, BY_GROUP, subject="t")).all()


@pytest.mark.parametrize(
    ("rows", "how", "told"),
    [
        (rows_of(29), BY_ROW, "at least 30 rows"),
        (rows_of(40, times=np.arange(40) // 20), BY_TIME, "at least 3 different times"),
        (rows_of(40, groups=np.arange(40) // 20), BY_GROUP, "at least 3 groups"),
        (rows_of(100, classes=np.arange(100) // 90, times=np.arange(100)), BY_TIME, "every class in train"),
        (rows_of(100, classes=(np.arange(100) < 90).astype(np.int64), times=np.arange(100)), BY_TIME, "every class in train"),
        (rows_of(100, classes=(np.arange(100) < 10).astype(np.int64), times=np.arange(100)), BY_TIME, "at least two classes in validation"),
        (rows_of(31)._replace(hashes=np.repeat(rows_of(31).hashes[:1], 31)), BY_ROW, "rows in"),
    ],
)
def test_what_cannot_be_split_is_refused(rows: Rows, how: Split, told: str):
    """Too few rows, times or groups; a class that appears or vanishes with time; one row copied over and over."""
    with pytest.raises(DataError, match=r"Next: .*(rows|by row)") as refused:
        split(rows, how, subject="t")
    assert told in refused.value.expected


def test_trained_rows_are_found():
    """A holdout row that stands in train or in validation, and a validation row that stands in train."""
    parts = np.array([TRAIN, TRAIN, VALIDATION, VALIDATION, HOLDOUT, HOLDOUT, HOLDOUT], dtype=np.int8)
    hashes = np.array([1, 2, 2, 3, 1, 3, 4], dtype=np.uint64)
    assert trained_rows(parts, hashes).tolist() == [False, False, True, False, True, True, False]
