"""Cross-validate as the data allow: forward in time, or with whole groups and balanced classes.

Copies of a row stay together, too.
"""

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
    """Return (fitting rows, scoring rows) per fold.

    Leave out folds in which a class cannot be learnt or the metric is undefined.
    """
    return [fold for fold in _all_folds(spec, rows) if _is_usable(spec, rows, fold)]


def cross_validate(
    name: str, build: Build, rows: PartRows, *, folds: list[Fold], spec: ModelSpec, classes: int
) -> tuple[float, ...]:
    """Return the model's metric on each fold. Each fold's pipeline is built for its own rows."""
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
        return _forward_in_time(time_codes(times, folds=spec.tuning.folds), spec.tuning.folds)
    count = min(spec.tuning.folds, _most_folds(spec, rows))
    if count < 2:
        return []
    return list(_splitter(spec, rows, count).split(rows.X, rows.y, rows.groups))


def _splitter(spec: ModelSpec, rows: PartRows, count: int) -> "BaseCrossValidator":
    """Return a splitter that balances classes and keeps groups, or copies of a row, on one side."""
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


def time_codes(times: NDArray[np.datetime64], *, folds: int) -> Codes:
    """Return one code per row, in the order of time.

    It is the row's day, so that no day is split, or its exact time if there are too few days.
    """
    days = times.astype("datetime64[D]")
    chosen = days if len(np.unique(days)) > folds else times
    return np.unique(chosen, return_inverse=True)[1].astype(np.int64)


def _forward_in_time(times: NDArray[np.int64], count: int) -> list[Fold]:
    """Return folds that are scored on rows after those that they are fitted on."""
    from sklearn.model_selection import TimeSeriesSplit

    distinct = np.unique(times)
    if len(distinct) <= count:
        return []
    split = TimeSeriesSplit(count).split(distinct)
    return [
        (
            np.flatnonzero(np.isin(times, distinct[fit])),
            np.flatnonzero(np.isin(times, distinct[score])),
        )
        for fit, score in split
    ]


def _is_usable(spec: ModelSpec, rows: PartRows, fold: Fold) -> bool:
    fitting, scoring = fold
    if spec.task == "regression":
        return len(fitting) > 1 and len(scoring) > 1
    classes = len(np.unique(rows.y))
    return len(np.unique(rows.y[fitting])) == classes and len(np.unique(rows.y[scoring])) > 1
