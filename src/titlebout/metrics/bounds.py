"""Bound one model's interval by the values that the metric can have.

So no interval of R² goes above 1, and no accuracy on 69 rows is "1 to 1".

Losses are skewed, so their interval is symmetric on the logarithm's scale. With it each side
misses 1 to 4 %; Student's t alone misses 0.3 and 10 % (`benchmarks/bounded_intervals.py`).
Shares get Wilson's (1927) interval. Its number of rows is the number of independent rows that
would give the same standard error.
"""

import math

import numpy as np

from titlebout.metrics.checked import Floats
from titlebout.metrics.spread import Spread
from titlebout.spec import METRICS

SHARES = frozenset({"accuracy", "roc_auc", "average_precision"})
RANKS = frozenset({"roc_auc", "average_precision"})
# A share of the loss. Equal losses that are summed in another order may differ by so much.
NO_ERROR = 1e-9


def bounds(
    metric: str, value: float, found: Spread, *, labels: Floats, confidence: float
) -> tuple[float, float] | None:
    """Return the lower and upper end, or None for a loss of exactly 0 or equal in every row.

    Such rows tell nothing of the loss's error.
    """
    critical = found.critical(confidence)
    if metric in SHARES:
        rows = _independent_rows(metric, value, found, labels)
        return _wilson_interval(value, critical, rows=rows)
    loss = 1 - value if metric == "r2" else value
    if loss <= 0 or found.error <= NO_ERROR * loss:
        return None
    factor = math.exp(
        min(critical * found.error / loss, math.log(np.finfo(np.float64).max / max(loss, 1.0)) / 2)
    )
    if metric == "r2":
        return 1 - loss * factor, 1 - loss / factor
    return loss / factor, loss * factor


def _independent_rows(metric: str, value: float, found: Spread, labels: Floats) -> float:
    """Return how many independent rows would give a share with this standard error.

    A ranking has at most as many as Newcombe (2006) allows it near 1: twice the harmonic mean of
    the two classes' rows. A share of exactly 0 or 1 shows no error. Then every block counts once,
    or every row where rows are independent.
    """
    most = float(len(labels))
    if metric in RANKS:
        positives = float(np.count_nonzero(labels == 1))
        most = 4 * positives * (most - positives) / most
    if found.error > 0:
        return min(most, value * (1 - value) / found.error**2)
    if 0 < value < 1:
        return math.inf  # no row could change it: all scores are equal
    return min(most, found.blocks or most)


def _wilson_interval(share: float, critical: float, *, rows: float) -> tuple[float, float]:
    if math.isinf(rows):
        return share, share
    if rows == 0:  # a ranking of one class: the limit of the formula, since no row tells anything
        return 0.0, 1.0
    ratio = critical**2 / rows
    centre = (share + ratio / 2) / (1 + ratio)
    half = math.sqrt(share * (1 - share) * ratio + ratio**2 / 4) / (1 + ratio)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def largest(metric: str, scores: Floats) -> float:
    """Return the largest value that the metric can have for scores of this shape."""
    if metric == "brier":
        return 1.0 if scores.ndim == 1 else 2.0
    return 1.0 if METRICS[metric].greater_is_better else math.inf
