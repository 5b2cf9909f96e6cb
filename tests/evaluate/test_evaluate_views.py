"""Calibration and slices say what they are asked."""

import numpy as np
import pandas as pd
import pytest
from studied import flights_spec

from titlebout import metrics
from titlebout.evaluate.calibration import calibration
from titlebout.evaluate.part import Part
from titlebout.evaluate.report import worse_than_folds
from titlebout.evaluate.slices import measure_slices
from titlebout.spec import CandidateEvaluation, Estimate, FittedCandidate, Slices


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
    found, small = measure_slices(spec, Part(X=None, y=y, blocks=None, frame=frame), scores, confidence=0.95)
    assert [(one.column, one.slices, one.rows, one.largest) for one in small] == [("carrier", 1, 10, 10)]
    assert [(one.value, one.rows) for one in found if one.column == "carrier"] == [("AA", 300), ("UA", 150), ("missing", 60)]
    assert [one.rows for one in found if one.column == "distance"] == [130] * 4
    assert found[0].metric.value == metrics.score("log_loss", y[:300], scores[:300])
    assert found[0].metric.low < found[0].metric.value < found[0].metric.high
    alone = metrics.interval("log_loss", y[:300], scores[:300], blocks=None, confidence=0.95, seed=0)
    assert found[0].metric.high - found[0].metric.low > 1.3 * (alone.high - alone.low)  # seven intervals hold at once


def test_a_slice_of_one_label_cannot_be_told():
    """The metric is undefined there, which is said like too few rows."""
    spec = flights_spec().model_copy(update={"slices": Slices(columns=("carrier",), minimum_rows=50), "metric": "roc_auc"})
    frame = pd.DataFrame({"carrier": ["AA"] * 100 + ["UA"] * 100})
    y, scores = np.repeat([0, 1], 100), np.random.default_rng(3).random(200)
    found, small = measure_slices(spec, Part(X=None, y=y, blocks=None, frame=frame), scores, confidence=0.95)
    assert (found, [(one.column, one.slices, one.rows) for one in small]) == ((), [("carrier", 2, 200)])


@pytest.mark.parametrize(
    ("value", "half", "said"),
    [(0.60, 0.01, True), (0.60, 0.11, False), (0.51, 0.001, False), (0.40, 0.01, False), (0.60, None, False)],
)
def test_the_holdout_is_called_worse_than_the_folds_only_beyond_chance(value, half, said):
    """Three folds around 0.5: the holdout's own interval counts, and so does how little three folds say."""
    folds = {"fold_scores": (0.49, 0.5, 0.51), "settings": {}, "cross_validated": 0.5, "fit_seconds": 0.0, "peak_memory_bytes": 0}
    bounds = {} if half is None else {"low": value - half, "high": value + half}
    measured = CandidateEvaluation(
        name="trees", metrics={"holdout": {"log_loss": Estimate(value=value, **bounds)}}, predict_ms_per_row=0.1, size_bytes=1
    )
    assert worse_than_folds(FittedCandidate(name="trees", estimator="trees", **folds), measured, "log_loss") == said
