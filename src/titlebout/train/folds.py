"""Cross-validation that respects how the data hang together: forward in time, or whole groups and copies with balanced classes."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.spec import ModelSpec
from titlebout.train.fitting import Build, fit, scores
from titlebout.train.rows import Rows

if TYPE_CHECKING:
    from sklearn.model_selection import BaseCrossValidator

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def make_folds(spec: ModelSpec, rows: Rows) -> list[Fold]:
    """(fitting rows, scoring rows) per fold; only folds in which every class can be learnt and the metric is defined."""
    return [fold for fold in _all_folds(spec, rows) if _usable(spec, rows, fold)]


def cross_validate(
    name: str, build: Build, rows: Rows, *, folds: list[Fold], spec: ModelSpec, classes: int
) -> tuple[float, ...]:
    """The model's metric on each fold; every fold's pipeline is built for its own rows."""
    found = []
    for fitting, scoring in folds:
        fitted_to = rows.take(fitting)
        pipeline = fit(name, build(fitted_to.X), fitted_to)
        predicted = scores(pipeline, rows.X.iloc[scoring], spec=spec, classes=classes)
        found.append(metrics.score(spec.metric, rows.y[scoring], predicted))
    return tuple(found)


def _all_folds(spec: ModelSpec, rows: Rows) -> list[Fold]:
    if spec.split.by == "time" and rows.blocks is not None:
        return _forward_in_time(rows.blocks, spec.tuning.folds)
    count = min(spec.tuning.folds, _most_folds(spec, rows))
    return [] if count < 2 else list(_folds(spec, rows, count).split(rows.X, rows.y, rows.blocks))


def _folds(spec: ModelSpec, rows: Rows, count: int) -> "BaseCrossValidator":
    """Balanced in the classes, and never with a group, or copies of one row, on both sides."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    classes, whole = spec.task != "regression", rows.blocks is not None
    kind = {
        (True, True): StratifiedGroupKFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (False, False): KFold,
    }
    return kind[classes, whole](count, shuffle=True, random_state=spec.seed)


def _most_folds(spec: ModelSpec, rows: Rows) -> int:
    """As many as there are rows, or blocks, of the rarest class."""
    blocks = np.arange(len(rows.y)) if rows.blocks is None else rows.blocks
    if spec.task == "regression":
        return len(np.unique(blocks))
    return min(len(np.unique(blocks[rows.y == code])) for code in np.unique(rows.y))


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
    return [
        (
            np.flatnonzero(np.isin(moment, distinct[fit])),
            np.flatnonzero(np.isin(moment, distinct[score])),
        )
        for fit, score in split
    ]


def _usable(spec: ModelSpec, rows: Rows, fold: Fold) -> bool:
    fitting, scoring = fold
    if spec.task == "regression":
        return len(fitting) > 1 and len(scoring) > 1
    classes = len(np.unique(rows.y))
    return len(np.unique(rows.y[fitting])) == classes and len(np.unique(rows.y[scoring])) > 1
