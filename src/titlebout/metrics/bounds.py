"""The two ends of one model's interval, kept inside what the metric can be: no R² above 1, no accuracy of "1 to 1" on 69 rows.

Losses are skewed, so their interval is symmetric on the logarithm's scale (`benchmarks/bounded_intervals.py`: each side misses 1 to 4 %
where Student's t alone misses 0.3 and 10 %). Shares get Wilson's (1927) interval, with the rows that the standard error is worth.
"""

import math

import numpy as np

from titlebout.metrics.checked import Floats
from titlebout.metrics.spread import Spread
from titlebout.spec import METRICS

SHARES = frozenset({"accuracy", "roc_auc", "average_precision"})
RANKS = frozenset({"roc_auc", "average_precision"})
NO_ERROR = 1e-9  # of a loss: what is left of equal losses when they are summed in another order


def bounds(
    metric: str, value: float, found: Spread, *, labels: Floats, confidence: float
) -> tuple[float, float] | None:
    """Return the lower and upper end; None for a loss of exactly 0, or equal in every row: such rows tell nothing of its error."""
    critical = found.critical(confidence)
    if metric in SHARES:
        return _wilson(value, critical, worth=_worth(metric, value, found, labels))
    loss = 1 - value if metric == "r2" else value
    if loss <= 0 or found.error <= NO_ERROR * loss:
        return None
    factor = math.exp(
        min(critical * found.error / loss, math.log(np.finfo(np.float64).max / max(loss, 1.0)) / 2)
    )
    if metric == "r2":
        return 1 - loss * factor, 1 - loss / factor
    return loss / factor, loss * factor


def _worth(metric: str, value: float, found: Spread, labels: Floats) -> float:
    """Return how many independent rows would give a share with this standard error.

    A ranking is worth at most what Newcombe (2006) allows it near 1: twice the harmonic mean of the two classes' rows. A share of exactly
    0 or 1 shows no error; then every block counts once, or every row where rows are independent.
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


def _wilson(share: float, critical: float, *, worth: float) -> tuple[float, float]:
    if math.isinf(worth):
        return share, share
    ratio = critical**2 / worth
    centre = (share + ratio / 2) / (1 + ratio)
    half = math.sqrt(share * (1 - share) * ratio + ratio**2 / 4) / (1 + ratio)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def largest(metric: str, scores: Floats) -> float:
    """Return the largest value that the metric can have for scores of this shape."""
    if metric == "brier":
        return 1.0 if scores.ndim == 1 else 2.0
    return 1.0 if METRICS[metric].greater_is_better else math.inf
