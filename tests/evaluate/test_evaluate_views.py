"""Measure calibration, slices, decisions and residuals correctly."""

import numpy as np
import pandas as pd
import pytest
from support.evaluated_models import flights_spec
from support.part_rows import part_rows

from titlebout import metrics
from titlebout.evaluate.calibration import calibration
from titlebout.evaluate.decisions import curves, decisions
from titlebout.evaluate.findings import worse_than_folds
from titlebout.evaluate.residuals import residuals
from titlebout.evaluate.slices import measure_slices
from titlebout.spec import CandidateEvaluation, Contract, Engine, Estimate, FittedCandidate, Slices


def test_true_probabilities_are_calibrated_and_extreme_ones_are_not():
    """Give a model of true probabilities an error near 0, and not one that squares the odds."""
    random = np.random.default_rng(0)
    probability = random.random(20_000)
    y = (random.random(20_000) < probability).astype(int)
    true = calibration("binary", y, probability, seed=0)
    squared_odds = probability**2 / (probability**2 + (1 - probability) ** 2)
    extreme = calibration("binary", y, squared_odds, seed=0)
    assert true.error < 0.02
    assert extreme.error > 0.08
    assert true.error <= true.perfect.most
    assert extreme.error > extreme.perfect.most


def test_the_error_of_a_perfect_model_is_known():
    """Find a perfect model's error on 189 rows near the simulated mean, seldom above `most`.

    It is above `most` in about one table of forty.
    """
    random = np.random.default_rng(4)
    scores = random.beta(1.5, 1.5, 189)
    found = [
        calibration("binary", (random.random(189) < scores).astype(int), scores, seed=trial)
        for trial in range(200)
    ]
    above = sum(one.error > one.perfect.most for one in found)
    assert found[0].perfect.usual == pytest.approx(np.mean([one.error for one in found]), rel=0.1)
    assert found[0].perfect.usual > 0.05
    assert above <= 14  # 5 are expected
    outside = sum(not part.low <= part.observed <= part.high for one in found for part in one.bins)
    assert outside / 2000 < 0.06


def test_bins_hold_every_row_once(task_scores):
    """Put every row into one of ten bins, or of as many bins as there are rows."""
    task, y, scores = task_scores
    bins, error, _ = calibration(task, y, scores, seed=0)
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
    """Measure each slice on its rows alone.

    A category with enough rows is a slice, and so is missing. Numbers are split at quartiles.
    """
    spec = flights_spec().model_copy(
        update={"slices": Slices(columns=("carrier", "distance"), minimum_rows=50)}
    )
    random = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "carrier": ["AA"] * 300 + ["UA"] * 150 + [None] * 60 + ["OO"] * 10,
            "distance": random.random(520),
        }
    )
    y, scores = random.integers(0, 2, 520), random.random(520)
    found, small = measure_slices(spec, part_rows(frame, y), scores, confidence=0.95)
    assert [(one.column, one.slices, one.rows, one.largest) for one in small] == [
        ("carrier", 1, 10, 10)
    ]
    assert [(one.value, one.rows) for one in found if one.column == "carrier"] == [
        ("AA", 300),
        ("UA", 150),
        ("missing", 60),
    ]
    assert [one.rows for one in found if one.column == "distance"] == [130] * 4
    assert found[0].metric.value == metrics.score("log_loss", y[:300], scores[:300])
    assert found[0].metric.low < found[0].metric.value < found[0].metric.high
    alone = metrics.interval(
        "log_loss", y[:300], scores[:300], blocks=None, confidence=0.95, seed=0
    )
    # Seven intervals hold at once, so each is wider.
    assert found[0].metric.high - found[0].metric.low > 1.3 * (alone.high - alone.low)


def test_a_slice_of_one_label_is_not_measured():
    """Count a slice on which the metric is undefined as one with too few rows."""
    spec = flights_spec().model_copy(
        update={"slices": Slices(columns=("carrier",), minimum_rows=50), "metric": "roc_auc"}
    )
    frame = pd.DataFrame({"carrier": ["AA"] * 100 + ["UA"] * 100})
    y, scores = np.repeat([0, 1], 100), np.random.default_rng(3).random(200)
    found, small = measure_slices(spec, part_rows(frame, y), scores, confidence=0.95)
    assert (found, [(one.column, one.slices, one.rows) for one in small]) == (
        (),
        [("carrier", 2, 200)],
    )


@pytest.mark.parametrize(
    ("value", "half", "worse"),
    [
        (0.60, 0.01, True),
        (0.60, 0.11, False),
        (0.51, 0.001, False),
        (0.40, 0.01, False),
        (0.60, None, False),
    ],
)
def test_the_holdout_is_called_worse_than_the_folds_only_beyond_chance(value, half, worse):
    """Call the holdout worse only beyond its own interval and that of three folds around 0.5."""
    folds = {
        "fold_scores": (0.49, 0.5, 0.51),
        "settings": {},
        "cross_validated": 0.5,
        "fit_seconds": 0.0,
        "peak_memory_bytes": 0,
    }
    bounds = {} if half is None else {"low": value - half, "high": value + half}
    measured = CandidateEvaluation(
        name="trees",
        metrics={"holdout": {"log_loss": Estimate(value=value, **bounds)}},
        predict_ms_per_row=0.1,
        size_bytes=1,
    )
    fitted = FittedCandidate(name="trees", estimator="trees", **folds)
    assert worse_than_folds(fitted, measured, "log_loss") == worse


def test_decisions_count_what_is_served_and_curves_pass_through_it():
    """Count decisions at the served threshold of 0.2, not at 0.5.

    The matrix adds up to all rows, and precision and recall follow from it.
    """
    random = np.random.default_rng(6)
    y = (random.random(400) < 0.3).astype(int)
    scores = np.clip(0.25 * y + 0.6 * random.random(400), 0, 1)
    contract = Contract(
        model="m",
        task="binary",
        target="y",
        inputs=(),
        classes=("no", "yes"),
        positive="yes",
        threshold=0.2,
        engine=Engine(name="onnx", reason="r"),
    )
    found = decisions(contract, part_rows(None, y), scores, confidence=0.95, seed=0)
    (tn, fp), (fn, tp) = found.confusion
    assert (tp, fp, tn + fp + fn + tp) == (
        int(((scores >= 0.2) & (y == 1)).sum()),
        int(((scores >= 0.2) & (y == 0)).sum()),
        400,
    )
    yes = found.classes[1]
    assert (yes.precision.value, yes.recall.value) == (
        pytest.approx(tp / (tp + fp)),
        pytest.approx(tp / (tp + fn)),
    )
    drawn = curves(contract, y, scores)
    assert (drawn.served_recall, drawn.served_false_positive_rate) == (
        pytest.approx(tp / (tp + fn)),
        pytest.approx(fp / (fp + tn)),
    )
    assert (drawn.roc[0], drawn.roc[-1]) == ((0, 0), (1, 1))


def test_a_class_that_is_never_predicted_has_no_precision():
    """Give a class that is never predicted no precision, and a recall of 0."""
    contract = Contract(
        model="m",
        task="multiclass",
        target="y",
        inputs=(),
        classes=("a", "b", "c"),
        engine=Engine(name="onnx", reason="r"),
    )
    scores = np.tile([0.6, 0.3, 0.1], (30, 1))
    part = part_rows(None, np.repeat([0, 1, 2], 10))
    found = decisions(contract, part, scores, confidence=0.95, seed=0)
    assert [one.precision and one.precision.value for one in found.classes] == [
        pytest.approx(1 / 3),
        None,
        None,
    ]
    assert [one.recall.value for one in found.classes] == [1, 0, 0]


def test_residuals_show_a_curve():
    """Show positive residuals in the middle and negative ones at the ends for a missed curve."""
    x = np.linspace(-1, 1, 500)
    found = residuals("regression", x - x**2, x - 0.33)
    middles = [one.middle for one in found.bins]
    assert middles[0] < 0 < middles[len(middles) // 2]
    assert middles[-1] < 0
    assert sum(one.rows for one in found.bins) == 500
