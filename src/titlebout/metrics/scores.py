"""Compute every metric as a function of row weights.

So a resample of 60,000 rows costs a weighted sum and not a new sort. There are two families:

- A moment metric (a mean loss, RMSE, R²) is a function of sums over rows. Only the sums per block
  are kept.
- A ranking metric (ROC AUC, average precision) needs the rows in the order of their scores. The
  order is computed once. ROC AUC of few blocks needs even less: it is a mean over pairs of rows, so
  the counts of won pairs per pair of blocks are kept.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from titlebout.metrics.checked import Floats, TooFew, check_inputs

# A probability nearer to 0 or 1 counts as this far away. ONNX gives float32 scores, which cannot
# tell more near 1.
LOG_LOSS_EPSILON = 1e-7
# The accuracy of a binary model asks which class is likelier, whatever the served threshold.
DECISION_AT = 0.5

MOST_PAIRED_BLOCKS = 128  # beyond, the table of block pairs costs more than weighing the rows

# From the multiplicity of each block to the metric's value, which is NaN where it is undefined.
Statistic = Callable[[Floats], float]


def score(metric: str, y: ArrayLike, scores: ArrayLike) -> float:
    """Return the metric over all rows.

    Raise DataError for NaN, infinities or wrong shapes, and TooFew for labels on which the metric
    is undefined.
    """
    labels, predicted = check_inputs(metric, y, scores)
    value = statistic(metric, labels, predicted, np.zeros(len(labels), dtype=np.intp))(np.ones(1))
    if np.isnan(value):
        raise TooFew(
            f"metric {metric}",
            expected="labels that differ",
            found=f"{len(labels)} rows with one and the same label {labels[0]:g}",
            next_step="take rows that hold more than one label",
        )
    return value


def statistic(
    metric: str, labels: Floats, predicted: Floats, blocks: NDArray[np.intp]
) -> Statistic:
    """Return the metric as a function of how often each block is counted.

    `blocks` are codes 0 to B-1, one per row. The inputs are checked already.
    """
    if metric == "roc_auc" and blocks.max(initial=0) < MOST_PAIRED_BLOCKS:
        return _paired_roc_auc(labels, predicted, blocks)
    if metric in RANKINGS:
        return _ranking(RANKINGS[metric], labels, predicted, blocks)
    moments, value = _moments(metric, labels, predicted)
    totals = np.column_stack([np.bincount(blocks, weights=column) for column in moments])
    return lambda multiplicity: value(multiplicity @ totals)


def _log_loss(labels: Floats, predicted: Floats) -> Floats:
    if predicted.ndim == 1:
        right = np.where(labels == 1, predicted, 1 - predicted)
    else:
        right = predicted[np.arange(len(labels)), labels.astype(np.intp)]
    return np.asarray(-np.log(np.clip(right, LOG_LOSS_EPSILON, 1 - LOG_LOSS_EPSILON)))


def _brier(labels: Floats, predicted: Floats) -> Floats:
    if predicted.ndim == 1:
        return np.asarray((predicted - labels) ** 2)
    return np.asarray(
        ((predicted - np.eye(predicted.shape[1])[labels.astype(np.intp)]) ** 2).sum(axis=1)
    )


def _wrong(labels: Floats, predicted: Floats) -> Floats:
    chosen = predicted >= DECISION_AT if predicted.ndim == 1 else predicted.argmax(axis=1)
    return np.asarray(chosen != labels, dtype=np.float64)


def _absolute_error(labels: Floats, predicted: Floats) -> Floats:
    return np.asarray(np.abs(labels - predicted))


LOSSES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "log_loss": _log_loss,
    "brier": _brier,
    "accuracy": _wrong,
    "mae": _absolute_error,
}


def _moments(metric: str, labels: Floats, predicted: Floats) -> tuple[list[Floats], Statistic]:
    """Return the per-row terms whose sums the metric needs, and the metric from those sums."""
    ones = np.ones(len(labels))
    if metric in LOSSES:
        losses = LOSSES[metric](labels, predicted)
        return [ones, losses], lambda sums: float(
            1 - sums[1] / sums[0] if metric == "accuracy" else sums[1] / sums[0]
        )
    squares = (labels - predicted) ** 2
    if metric == "rmse":
        return [ones, squares], lambda sums: float(np.sqrt(sums[1] / sums[0]))
    # R² does not change by centring, and the difference of two large sums is avoided.
    centred = labels - labels.mean()
    return [ones, squares, centred, centred**2], _r2


def _r2(sums: Floats) -> float:
    rows, squares, centred, centred_squares = sums
    spread = centred_squares - centred**2 / rows
    return float(1 - squares / spread) if spread > 0 else float("nan")


def _ranking(
    value: Callable[[Floats, Floats], float],
    labels: Floats,
    predicted: Floats,
    blocks: NDArray[np.intp],
) -> Statistic:
    """Return the ranking metric as a function of the blocks' multiplicities.

    `value` is given the weights of the positive and of the negative rows at each distinct score,
    from the highest score down.
    """
    order = np.argsort(-predicted, kind="stable")
    ranked, positive, block = predicted[order], labels[order] == 1, blocks[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))

    def at(multiplicity: Floats) -> float:
        weights = multiplicity[block]
        positives = np.add.reduceat(np.where(positive, weights, 0.0), starts)
        return value(positives, np.add.reduceat(weights, starts) - positives)

    return at


def _paired_roc_auc(labels: Floats, predicted: Floats, blocks: NDArray[np.intp]) -> Statistic:
    """Return ROC AUC: the share of pairs of a positive and a negative row that are in order.

    A pair is in order if its positive row has the higher score. A tie counts half.
    """
    number = int(blocks.max(initial=0)) + 1
    positive = labels == 1
    scores, of_block = predicted[positive], blocks[positive]
    won = np.empty((number, number))
    for block in range(number):
        negatives = np.sort(predicted[~positive & (blocks == block)])
        below = np.searchsorted(negatives, scores, "left") + np.searchsorted(
            negatives, scores, "right"
        )
        won[:, block] = np.bincount(of_block, weights=below / 2, minlength=number)
    positives, negatives_of = (
        np.bincount(blocks[which], minlength=number).astype(np.float64)
        for which in (positive, ~positive)
    )

    def at(multiplicity: Floats) -> float:
        pairs = (multiplicity @ positives) * (multiplicity @ negatives_of)
        return float(multiplicity @ won @ multiplicity / pairs) if pairs > 0 else float("nan")

    return at


def _roc_auc(positives: Floats, negatives: Floats) -> float:
    pairs = positives.sum() * negatives.sum()
    below = negatives.sum() - np.cumsum(negatives) + negatives / 2  # a tie counts half
    return float((positives * below).sum() / pairs) if pairs > 0 else float("nan")


def _average_precision(positives: Floats, negatives: Floats) -> float:
    found, taken = np.cumsum(positives), np.cumsum(positives + negatives)
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    return float((positives * precision).sum() / found[-1]) if found[-1] > 0 else float("nan")


RANKINGS: dict[str, Callable[[Floats, Floats], float]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
}
