"""How sure a metric is, and how sure one model's lead over another is on the same rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from titlebout.metrics import spread
from titlebout.metrics.checked import Floats, TooFew, checked
from titlebout.metrics.scores import LOSSES, Statistic, score, statistic
from titlebout.spec import METRICS, Estimate


class PairedDifference(NamedTuple):
    """How much better a is than b: positive is better, whichever way the metric runs; no blocks: rows taken as independent."""

    value: float
    low: float
    high: float
    method: str
    rows: int
    blocks: int


def interval(metric: str, y: ArrayLike, scores: ArrayLike, *, blocks: NDArray[np.intp] | None, confidence: float, seed: int) -> Estimate:
    """The metric with its two-sided interval, which is left out where there are too few rows or blocks to say.

    Raises DataError if the metric itself cannot be computed.
    """
    value = score(metric, y, scores)
    labels, predicted = checked(metric, y, scores)
    try:
        half = _spread(metric, labels, (predicted,), blocks=blocks, seed=seed).half_width(confidence)
    except TooFew:
        return Estimate(value=value)
    return Estimate(value=value, low=value - half, high=value + half)


def paired_difference(
    metric: str,
    y: ArrayLike,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    blocks: NDArray[np.intp] | None,
    confidence: float,
    seed: int,
) -> PairedDifference:
    """The lead of a over b on the same rows; raises DataError, and its child TooFew where no honest interval exists."""
    value = _sign(metric) * (score(metric, y, scores_a) - score(metric, y, scores_b))
    labels, first = checked(metric, y, scores_a)
    _, second = checked(metric, y, scores_b)
    found = _spread(metric, labels, (first, second), blocks=blocks, seed=seed)
    half = found.half_width(confidence)
    return PairedDifference(value, value - half, value + half, found.method, len(labels), found.blocks)


def _sign(metric: str) -> int:
    return 1 if METRICS[metric].greater_is_better else -1


def _spread(metric: str, labels: Floats, scores: tuple[Floats, ...], *, blocks: NDArray[np.intp] | None, seed: int) -> spread.Spread:
    """Of the metric of one model, or of the difference of two."""
    if blocks is not None:
        runs = spread.runs_of(blocks)
        what = "blocks" if runs.length == 1 else f"runs of {runs.length} blocks"
        found = spread.by_bootstrap(_lead(metric, labels, scores, runs.codes), runs.number, what=what, seed=seed)
        return found._replace(blocks=runs.number)
    if metric == "roc_auc":
        return spread.of_roc_auc(labels, *scores)
    if metric in LOSSES:
        losses = [LOSSES[metric](labels, predicted) for predicted in scores]
        return spread.of_mean(losses[0] if len(losses) == 1 else losses[0] - losses[1])
    rows = np.arange(len(labels))
    return spread.by_bootstrap(_lead(metric, labels, scores, rows), len(rows), what="rows", seed=seed)


def _lead(metric: str, labels: Floats, scores: tuple[Floats, ...], blocks: NDArray[np.intp]) -> Statistic:
    first, *others = (statistic(metric, labels, predicted, blocks) for predicted in scores)
    return _difference(first, others[0]) if others else first


def _difference(first: Statistic, second: Statistic) -> Callable[[Floats], float]:
    return lambda multiplicity: first(multiplicity) - second(multiplicity)
