"""Cross-validation that respects how the data hang together: forward in time, whole groups, or balanced classes."""

import numpy as np
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.spec import ModelSpec
from titlebout.train.fitting import Build, fit, scores
from titlebout.train.rows import Rows

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def make_folds(spec: ModelSpec, rows: Rows) -> list[Fold]:
    """(fitting rows, scoring rows) per fold; only folds in which every class can be learnt and the metric is defined."""
    return [fold for fold in _all_folds(spec, rows) if _usable(spec, rows, fold)]


def cross_validate(name: str, build: Build, rows: Rows, *, folds: list[Fold], spec: ModelSpec, classes: int) -> tuple[float, ...]:
    """The model's metric on each fold; every fold's pipeline is built for its own rows."""
    found = []
    for fitting, scoring in folds:
        fitted_to = rows.take(fitting)
        pipeline = fit(name, build(fitted_to.X), fitted_to)
        predicted = scores(pipeline, rows.X.iloc[scoring], spec=spec, classes=classes)
        found.append(metrics.score(spec.metric, rows.y[scoring], predicted))
    return tuple(found)


def _all_folds(spec: ModelSpec, rows: Rows) -> list[Fold]:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    if spec.split.by == "time" and rows.blocks is not None:
        return _forward_in_time(rows.blocks, spec.tuning.folds)
    if spec.split.by == "group" and rows.blocks is not None:
        count = min(spec.tuning.folds, len(np.unique(rows.blocks)))
        return [] if count < 2 else list(GroupKFold(count).split(rows.X, rows.y, rows.blocks))
    smallest = len(rows.y) if spec.task == "regression" else int(np.unique(rows.y, return_counts=True)[1].min())
    count = min(spec.tuning.folds, smallest)
    if count < 2:
        return []
    kind = KFold if spec.task == "regression" else StratifiedKFold
    return list(kind(count, shuffle=True, random_state=spec.seed).split(rows.X, rows.y))


def moments(times: NDArray[np.datetime64], *, folds: int) -> NDArray[np.int64]:
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
    return [tuple(np.flatnonzero(np.isin(moment, distinct[part])) for part in fold) for fold in split]  # type: ignore[misc]


def _usable(spec: ModelSpec, rows: Rows, fold: Fold) -> bool:
    fitting, scoring = fold
    if spec.task == "regression":
        return len(fitting) > 1 and len(scoring) > 1
    classes = len(np.unique(rows.y))
    return len(np.unique(rows.y[fitting])) == classes and len(np.unique(rows.y[scoring])) > 1
