"""Make folds that keep days, groups and copies together."""

from dataclasses import replace

import numpy as np
import pytest
from support.real_tables import rows_of, spec_of

from titlebout.data import PartRows
from titlebout.train.folds import make_folds, time_codes


def on_days(rows: PartRows, days: np.ndarray) -> PartRows:
    """Return the rows with a time column `t` on those days."""
    times = np.datetime64("2013-01-01") + days
    return replace(rows, frame=rows.frame.assign(t=times.astype("datetime64[us]")))


def test_time_folds_are_scored_on_later_days_only():
    """Score no row by a model that saw its day or a later one."""
    spec = spec_of(
        "binary", {"linear": {"estimator": "linear"}}, split={"by": "time"}, time_column="t"
    )
    days = np.arange(569) // 10
    folds = make_folds(spec, on_days(rows_of("binary"), days))
    assert len(folds) == 3
    assert all(days[fitting].max() < days[scoring].min() for fitting, scoring in folds)


def test_group_folds_keep_groups_whole():
    """Fit on a group or score on it, never both."""
    spec = spec_of(
        "binary", {"linear": {"estimator": "linear"}}, split={"by": "group"}, group_column="g"
    )
    groups = np.arange(569) % 40
    folds = make_folds(spec, replace(rows_of("binary"), groups=groups))
    assert len(folds) == 3
    assert not any(set(groups[fitting]) & set(groups[scoring]) for fitting, scoring in folds)


def test_folds_without_every_class_are_left_out():
    """Leave out a fold whose fitting rows lack a class, as its model cannot know the class."""
    spec = spec_of(
        "binary", {"linear": {"estimator": "linear"}}, split={"by": "time"}, time_column="t"
    )
    rows = on_days(rows_of("binary"), np.arange(569))
    position = np.arange(569)
    rows = replace(rows, y=((position > 350) & (position % 2 == 1)).astype(int))
    folds = make_folds(spec, rows)
    assert len(folds) == 1
    assert all(len(np.unique(rows.y[fitting])) == 2 for fitting, _ in folds)


def test_a_class_with_one_row_leaves_no_folds():
    """Make no folds for a class with one row, as cross-validation is impossible."""
    spec = spec_of("binary", {"linear": {"estimator": "linear"}})
    assert make_folds(spec, replace(rows_of("binary"), y=np.eye(1, 569, dtype=int)[0])) == []


def test_a_single_day_is_split_by_its_hours():
    """Order rows by their exact times if days are fewer than folds, in any order of the table."""
    times = np.datetime64("2013-01-01T00", "h") + np.arange(24)[::-1]
    assert list(time_codes(times, folds=3)) == list(range(24))[::-1]
    on_days_of_their_own = times + np.arange(24) * np.timedelta64(24, "h")
    assert len(np.unique(time_codes(on_days_of_their_own, folds=3))) == 24


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_copies_are_on_one_side_of_a_fold(task: str):
    """Keep copies of a row on one side of a fold, so that none is scored by what knows it.

    Classes stay balanced, and every row is scored once.
    """
    spec = spec_of(task, {"linear": {"estimator": "linear"}})
    rows = rows_of(task)
    copies = np.random.default_rng(0).integers(0, len(rows.y) // 3, len(rows.y))
    folds = make_folds(spec, replace(rows, groups=copies))
    assert len(folds) == 3
    assert not any(set(copies[fitting]) & set(copies[scoring]) for fitting, scoring in folds)
    assert sorted(np.concatenate([scoring for _, scoring in folds])) == list(range(len(rows.y)))
    if task != "regression":
        shares = [np.bincount(rows.y[scoring]) / len(scoring) for _, scoring in folds]
        assert np.ptp(shares, axis=0).max() < 0.1
