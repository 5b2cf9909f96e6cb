"""Compute intervals of a metric, and of one model's lead over another on the same rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from titlebout.metrics import spread
from titlebout.metrics.bounds import bounds, largest
from titlebout.metrics.checked import Floats, TooFew, check_inputs
from titlebout.metrics.influence import influence
from titlebout.metrics.scores import LOSSES, RANKINGS, Statistic, score, statistic
from titlebout.spec import METRICS, Estimate


class PairedDifference(NamedTuple):
    """Say how much better model a is than model b: positive is better, whatever the metric.

    `blocks` is the number of independent units, 0 if rows were taken as independent.
    """

    value: float
    low: float
    high: float
    method: str
    rows: int
    blocks: int


def interval(
    metric: str,
    y: ArrayLike,
    scores: ArrayLike,
    *,
    blocks: NDArray[np.intp] | None,
    groups: NDArray[np.intp] | None = None,
    confidence: float,
    seed: int,
) -> Estimate:
    """Return the metric with its two-sided interval, inside the values that the metric can have.

    There is no interval if rows, blocks or groups are too few. `blocks` are the days of the rows,
    as codes in order, and `groups` what else they share. None means that rows are independent in
    that way. Raise DataError if the metric itself cannot be computed.
    """
    value = score(metric, y, scores)
    labels, predicted = check_inputs(metric, y, scores)
    try:
        found = _spread(metric, labels, (predicted,), blocks=blocks, groups=groups, seed=seed)
    except TooFew:
        return Estimate(value=value)
    ends = bounds(metric, value, found, labels=labels, confidence=confidence)
    return (
        Estimate(value=value)
        if ends is None
        else Estimate(value=value, low=ends[0], high=min(ends[1], largest(metric, predicted)))
    )


def paired_difference(
    metric: str,
    y: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    blocks: NDArray[np.intp] | None,
    groups: NDArray[np.intp] | None = None,
    confidence: float,
    seed: int,
) -> PairedDifference:
    """Return the lead of a over b on the same rows.

    Raise DataError if the metric cannot be computed, and TooFew if no valid interval exists.
    """
    value = _sign(metric) * (score(metric, y, scores_a) - score(metric, y, scores_b))
    labels, first = check_inputs(metric, y, scores_a)
    _, second = check_inputs(metric, y, scores_b)
    found = _spread(metric, labels, (first, second), blocks=blocks, groups=groups, seed=seed)
    half = found.half_width(confidence)
    return PairedDifference(
        value, value - half, value + half, found.method, len(labels), found.blocks
    )


def _sign(metric: str) -> int:
    return 1 if METRICS[metric].greater_is_better else -1


def _spread(
    metric: str,
    labels: Floats,
    scores: tuple[Floats, ...],
    *,
    blocks: NDArray[np.intp] | None,
    groups: NDArray[np.intp] | None,
    seed: int,
) -> spread.Spread:
    """Return the spread of one model's metric, or of the difference of two models'."""
    clusterings = [] if blocks is None else [spread.runs_of_days(blocks)]
    clusterings += [] if groups is None else [spread.groups(groups)]
    if clusterings:
        if metric in RANKINGS:
            _require_both_classes(labels, clusterings)
        influences = [influence(metric, labels, predicted) for predicted in scores]
        return spread.of_clusters(_difference_of(influences), clusterings)
    if metric == "roc_auc":
        return spread.of_roc_auc(labels, *scores)
    if metric in LOSSES:
        return spread.of_mean(
            _difference_of([LOSSES[metric](labels, predicted) for predicted in scores])
        )
    return spread.by_bootstrap(_lead(metric, labels, scores), len(labels), seed=seed)


def _require_both_classes(labels: Floats, clusterings: list[spread.Clustering]) -> None:
    """Raise TooFew if few days or groups hold a class: a ranking then says little."""
    for clustering in clusterings:
        for label in (0, 1):
            spread.require_enough(
                len(np.unique(clustering.codes[labels == label])),
                what=f"{clustering.unit} with a row of each class",
            )


def _difference_of(of_models: list[Floats]) -> Floats:
    return of_models[0] if len(of_models) == 1 else of_models[0] - of_models[1]


def _lead(metric: str, labels: Floats, scores: tuple[Floats, ...]) -> Statistic:
    first, *others = (
        statistic(metric, labels, predicted, np.arange(len(labels))) for predicted in scores
    )
    return _difference(first, others[0]) if others else first


def _difference(first: Statistic, second: Statistic) -> Callable[[Floats], float]:
    return lambda multiplicity: first(multiplicity) - second(multiplicity)
