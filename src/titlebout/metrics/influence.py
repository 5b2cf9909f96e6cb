"""Compute how much each row moves a metric: the metric's derivative by the row's weight.

Influences of rows that depend on each other can be added up. The variance of a metric is about
the sum, over independent units, of the squared sums of their rows' influences (Huber 1967,
Hampel 1974). For ROC AUC these are DeLong's placements, and by groups Obuchowski's (1997)
variance.
"""

from collections.abc import Callable

import numpy as np

from titlebout.metrics.checked import Floats
from titlebout.metrics.scores import LOSSES


def influence(metric: str, labels: Floats, predicted: Floats) -> Floats:
    """Return each row's influence, shape (rows,). The influences add up to 0.

    The inputs are checked already, and the metric is defined on them.
    """
    if metric in LOSSES:
        losses = LOSSES[metric](labels, predicted)
        sign = -1 if metric == "accuracy" else 1
        return np.asarray(sign * (losses - losses.mean()) / len(losses))
    return OTHERS[metric](labels, predicted)


def placements(labels: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """Return per positive row the share of negatives below it, per negative row of positives above.

    The algorithm is the fast one of Sun & Xu (2014).
    """
    from scipy.stats import rankdata

    positive, negative = predicted[labels == 1], predicted[labels == 0]
    together = rankdata(np.concatenate((positive, negative)))
    above = (together[: len(positive)] - rankdata(positive)) / len(negative)
    below = 1 - (together[len(positive) :] - rankdata(negative)) / len(positive)
    return np.asarray(above), np.asarray(below)


def _rmse(labels: Floats, predicted: Floats) -> Floats:
    squares = (labels - predicted) ** 2
    mean = squares.mean()
    return (
        np.asarray((squares - mean) / (2 * np.sqrt(mean) * len(squares)))
        if mean > 0
        else np.zeros(len(squares))
    )


def _r2(labels: Floats, predicted: Floats) -> Floats:
    squares, spread = (labels - predicted) ** 2, (labels - labels.mean()) ** 2
    return np.asarray((squares.sum() / spread.sum() * spread - squares) / spread.sum())


def _roc_auc(labels: Floats, predicted: Floats) -> Floats:
    found = np.empty(len(labels))
    for rows, shares in zip((labels == 1, labels == 0), placements(labels, predicted), strict=True):
        found[rows] = (shares - shares.mean()) / len(shares)
    return found


def _average_precision(labels: Floats, predicted: Floats) -> Floats:
    """Return the influences: a row changes the precision at its own score and at lower ones."""
    scores, rank = np.unique(-predicted, return_inverse=True)
    positives = np.bincount(rank, weights=labels, minlength=len(scores))
    taken = np.cumsum(np.bincount(rank, minlength=len(scores)))
    precision = np.cumsum(positives) / taken
    total = positives.sum()
    for_positive = (
        precision
        + _from_here_on(positives * (1 - precision) / taken)
        - positives @ precision / total
    )
    for_negative = -_from_here_on(positives * precision / taken)
    return np.asarray(np.where(labels == 1, for_positive[rank], for_negative[rank]) / total)


def _from_here_on(values: Floats) -> Floats:
    return np.asarray(np.cumsum(values[::-1])[::-1])


OTHERS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "rmse": _rmse,
    "r2": _r2,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
}
