"""Cross-validation that respects how the data hang together: forward in time, or whole groups and copies with balanced classes."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.data import Codes, PartRows
from titlebout.spec import ModelSpec
from titlebout.train.fitting import Build, fit, scores

if TYPE_CHECKING:
    from sklearn.model_selection import BaseCrossValidator

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def make_folds(spec: ModelSpec, rows: PartRows) -> list[Fold]:
    """(fitting rows, scoring rows) per fold; only folds in which every class can be learnt and the metric is defined."""
    return [fold for fold in _all_folds(spec, rows) if _usable(spec, rows, fold)]


def cross_validate(
    name: str, build: Build, rows: PartRows, *, folds: list[Fold], spec: ModelSpec, classes: int
) -> tuple[float, ...]:
    """The model's metric on each fold; every fold's pipeline is built for its own rows."""
    found = []
    for fitting, scoring in folds:
        X = rows.X.iloc[fitting].reset_index(drop=True)
        pipeline = fit(name, build(X), X=X, y=rows.y[fitting])
        predicted = scores(pipeline, rows.X.iloc[scoring], spec=spec, classes=classes)
        found.append(metrics.score(spec.metric, rows.y[scoring], predicted))
    return tuple(found)


def _all_folds(spec: ModelSpec, rows: PartRows) -> list[Fold]:
    if spec.split.by == "time":
        times = rows.frame[spec.time_column].to_numpy(dtype="datetime64[us]")
        return _forward_in_time(moments(times, folds=spec.tuning.folds), spec.tuning.folds)
    count = min(spec.tuning.folds, _most_folds(spec, rows))
    return [] if count < 2 else list(_folds(spec, rows, count).split(rows.X, rows.y, rows.groups))


def _folds(spec: ModelSpec, rows: PartRows, count: int) -> "BaseCrossValidator":
    """Balanced in the classes, and never with a group, or copies of one row, on both sides."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    classes, whole = spec.task != "regression", rows.groups is not None
    kind = {
        (True, True): StratifiedGroupKFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (False, False): KFold,
    }
    return kind[classes, whole](count, shuffle=True, random_state=spec.seed)


def _most_folds(spec: ModelSpec, rows: PartRows) -> int:
    """Return how many rows, or groups, the rarest class has."""
    groups = np.arange(len(rows.y)) if rows.groups is None else rows.groups
    if spec.task == "regression":
        return len(np.unique(groups))
    return min(len(np.unique(groups[rows.y == code])) for code in np.unique(rows.y))


def moments(times: NDArray[np.datetime64], *, folds: int) -> Codes:
    """A code per row, in the order of time: its day, so that no day is torn apart, or, with too few days, its exact time."""
    days = times.astype("datetime64[D]")
    chosen = days if len(np.unique(days)) > folds else times
    return np.unique(chosen, return_inverse=True)[1].astype(np.int64)


def _forward_in_time(moment: NDArray[np.int64], count: int) -> list[Fold]:
    """Every fold is scored on what came after it."""
    from sklearn.model_selection import TimeSeriesSplit

    distinct = np.unique(moment)
    if len(distinct) <= count:
        return []
    split = TimeSeriesSplit(count).split(distinct)
    return [
        (
            np.flatnonzero(np.isin(moment, distinct[fit])),
            np.flatnonzero(np.isin(moment, distinct[score])),
        )
        for fit, score in split
    ]


def _usable(spec: ModelSpec, rows: PartRows, fold: Fold) -> bool:
    fitting, scoring = fold
    if spec.task == "regression":
        return len(fitting) > 1 and len(scoring) > 1
    classes = len(np.unique(rows.y))
    return len(np.unique(rows.y[fitting])) == classes and len(np.unique(rows.y[scoring])) > 1
