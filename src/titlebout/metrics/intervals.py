"""How sure a metric is, and how sure one model's lead over another is on the same rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from titlebout.metrics import spread
from titlebout.metrics.bounds import bounds, largest
from titlebout.metrics.checked import Floats, TooFew, checked
from titlebout.metrics.influence import influence
from titlebout.metrics.scores import LOSSES, RANKINGS, Statistic, score, statistic
from titlebout.spec import METRICS, Estimate


class PairedDifference(NamedTuple):
    """How much better a is than b: positive is better, whichever way the metric runs; no blocks: rows taken as independent."""

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
    """Return the metric with its two-sided interval inside what the metric can be; none where too few rows, blocks or groups can say.

    `blocks` are the days of the rows, in order, and `groups` what else they share; None where rows are independent in that way.
    Raises DataError if the metric itself cannot be computed.
    """
    value = score(metric, y, scores)
    labels, predicted = checked(metric, y, scores)
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
    """The lead of a over b on the same rows; raises DataError, and its child TooFew where no honest interval exists."""
    value = _sign(metric) * (score(metric, y, scores_a) - score(metric, y, scores_b))
    labels, first = checked(metric, y, scores_a)
    _, second = checked(metric, y, scores_b)
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
    """Of the metric of one model, or of the difference of two."""
    ways = [] if blocks is None else [spread.days(blocks)]
    ways += [] if groups is None else [spread.groups(groups)]
    if ways:
        if metric in RANKINGS:
            _require_both_classes(labels, ways)
        return spread.of_clusters(
            _difference_of([influence(metric, labels, predicted) for predicted in scores]), ways
        )
    if metric == "roc_auc":
        return spread.of_roc_auc(labels, *scores)
    if metric in LOSSES:
        return spread.of_mean(
            _difference_of([LOSSES[metric](labels, predicted) for predicted in scores])
        )
    return spread.by_bootstrap(_lead(metric, labels, scores), len(labels), seed=seed)


def _require_both_classes(labels: Floats, ways: list[spread.Way]) -> None:
    """A ranking says little where few days or groups hold a class at all."""
    for way in ways:
        for label in (0, 1):
            spread.enough(
                len(np.unique(way.codes[labels == label])),
                what=f"{way.what} with a row of each class",
            )


def _difference_of(of_each: list[Floats]) -> Floats:
    return of_each[0] if len(of_each) == 1 else of_each[0] - of_each[1]


def _lead(metric: str, labels: Floats, scores: tuple[Floats, ...]) -> Statistic:
    first, *others = (
        statistic(metric, labels, predicted, np.arange(len(labels))) for predicted in scores
    )
    return _difference(first, others[0]) if others else first


def _difference(first: Statistic, second: Statistic) -> Callable[[Floats], float]:
    return lambda multiplicity: first(multiplicity) - second(multiplicity)
