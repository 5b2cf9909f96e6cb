"""Choose the decision threshold that costs least on the rows that it is chosen on."""

import numpy as np

from titlebout.spec import ErrorCosts
from titlebout.train.threshold import cheapest_threshold


def cost(y, probability, threshold, costs):
    predicted = probability >= threshold
    false_positives = np.sum(predicted & (y == 0))
    false_negatives = np.sum(~predicted & (y == 1))
    return costs.false_positive * false_positives + costs.false_negative * false_negatives


def test_no_other_threshold_is_cheaper():
    """Compare with every threshold, with ties among the scores and unequal costs."""
    random = np.random.default_rng(1)
    probability = random.integers(0, 50, 400) / 50
    y = (random.random(400) < probability).astype(int)
    for costs in (
        ErrorCosts(false_positive=1, false_negative=3),
        ErrorCosts(false_positive=5, false_negative=1),
        ErrorCosts(),
    ):
        chosen = cheapest_threshold(y, probability, costs=costs)
        assert cost(y, probability, chosen, costs) == min(
            cost(y, probability, t, costs) for t in np.linspace(0, 1.01, 400)
        )


def test_costlier_misses_lower_the_threshold():
    """Lower the threshold where a missed row costs ten times a false alarm."""
    random = np.random.default_rng(2)
    probability = random.random(5000)
    y = (random.random(5000) < probability).astype(int)
    thresholds = [
        cheapest_threshold(y, probability, costs=ErrorCosts(false_positive=1, false_negative=n))
        for n in (1.0, 10.0)
    ]
    assert np.allclose(thresholds, [1 / 2, 1 / 11], atol=0.06)
