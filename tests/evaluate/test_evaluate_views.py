"""Calibration and slices say what they are asked."""

import numpy as np
import pandas as pd
import pytest
from studied import flights_spec

from titlebout import metrics
from titlebout.evaluate.calibration import calibration
from titlebout.evaluate.part import Part
from titlebout.evaluate.slices import slice_results
from titlebout.spec import Slices


def test_honest_probabilities_are_calibrated_and_boasting_ones_are_not():
    """Drawn from its own probabilities a model has an error near 0; one that doubles the odds has not."""
    random = np.random.default_rng(0)
    probability = random.random(20_000)
    y = (random.random(20_000) < probability).astype(int)
    _, honest = calibration("binary", y, probability)
    _, boasting = calibration("binary", y, probability**2 / (probability**2 + (1 - probability) ** 2))
    assert (honest < 0.02, boasting > 0.08) == (True, True)


def test_bins_hold_every_row_once(task_scores):
    """Ten bins or, with fewer rows, one each."""
    task, y, scores = task_scores
    bins, error = calibration(task, y, scores)
    assert (sum(one.rows for one in bins), len(bins)) == (len(y), min(10, len(y)))
    assert (error is None) == (task == "regression")


@pytest.fixture(params=["binary", "multiclass", "regression", "few"])
def task_scores(request):
    random = np.random.default_rng(1)
    if request.param == "multiclass":
        return "multiclass", random.integers(0, 3, 500), random.dirichlet([1, 1, 1], 500)
    if request.param == "few":
        return "binary", random.integers(0, 2, 6), random.random(6)
    return request.param, random.integers(0, 2, 500), random.random(500)


def test_slices_are_the_metric_on_their_rows_alone():
    """A large enough category is a slice; a small one is none; missing is a slice of its own; numbers are cut at quartiles."""
    spec = flights_spec().model_copy(update={"slices": Slices(columns=("carrier", "distance"), minimum_rows=50)})
    random = np.random.default_rng(2)
    frame = pd.DataFrame({"carrier": ["AA"] * 300 + ["UA"] * 150 + [None] * 60 + ["OO"] * 10, "distance": random.random(520)})
    y, scores = random.integers(0, 2, 520), random.random(520)
    found = slice_results(spec, Part(X=None, y=y, blocks=None, frame=frame), scores, confidence=0.95)
    assert [(one.value, one.rows) for one in found if one.column == "carrier"] == [("AA", 300), ("UA", 150), ("missing", 60)]
    assert [one.rows for one in found if one.column == "distance"] == [130] * 4
    assert found[0].metric.value == metrics.score("log_loss", y[:300], scores[:300])
    assert found[0].metric.low < found[0].metric.value < found[0].metric.high
