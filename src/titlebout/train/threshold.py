"""Find the probability from which a binary model says yes.

It is the cheapest one on the validation part, by the brief's error costs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from titlebout.spec import ErrorCosts

FALLBACK = 0.5  # if neither error costs anything, the likelier class is as good as any


def cheapest_threshold(
    y: NDArray[Any], probability: NDArray[np.float64], *, costs: ErrorCosts
) -> float:
    """Return the threshold; a row is positive if its probability is at least the threshold.

    Of equally cheap thresholds the nearest to the theoretical one is returned. For perfectly
    calibrated probabilities the optimum is known: false_positive / (false_positive +
    false_negative) (Elkan 2001).
    """
    total = costs.false_positive + costs.false_negative
    theoretical = costs.false_positive / total if total > 0 else FALLBACK
    order = np.argsort(probability, kind="stable")
    ranked, positive = probability[order], y[order] == 1
    # Candidate i: everything from position i up is called positive.
    missed = np.concatenate(([0], np.cumsum(positive)))
    false_alarms = np.count_nonzero(~positive) - np.concatenate(([0], np.cumsum(~positive)))
    cost = missed * costs.false_negative + false_alarms * costs.false_positive
    borders = _borders(ranked)
    possible = np.concatenate(([True], ranked[1:] > ranked[:-1], [True]))
    cheapest = np.flatnonzero(possible & (cost <= cost[possible].min() + 1e-9))
    return float(borders[cheapest[np.argmin(np.abs(borders[cheapest] - theoretical))]])


def _borders(ranked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points half way between neighbours, with 0 and 1 at the ends.

    So a rounding error of the served model changes no decision.
    """
    return np.concatenate(([0.0], (ranked[1:] + ranked[:-1]) / 2, [1.0]))
