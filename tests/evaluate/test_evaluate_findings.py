"""Show reasons and weak spots at the top of the page."""

import pytest
from support.evaluated_models import flights_spec

from titlebout.evaluate.findings import findings
from titlebout.spec import (
    CalibrationBin,
    CandidateEvaluation,
    Check,
    Engine,
    Estimate,
    Evaluation,
    FittedCandidate,
    Lead,
    PerfectCalibration,
    SliceResult,
    Training,
    Validation,
)


def evaluation(**more) -> Evaluation:
    def candidate(name: str, loss: float) -> CandidateEvaluation:
        engine = Engine(name="sklearn", reason="ONNX differs from scikit-learn by 0.05 on 9 rows")
        found = {"holdout": {"log_loss": Estimate(value=loss, low=loss - 0.01, high=loss + 0.01)}}
        return CandidateEvaluation(
            name=name, metrics=found, predict_ms_per_row=0.1, size_bytes=1, engine=engine
        )

    plain = {
        "model": "flights",
        "dataset": "d",
        "run_id": "r",
        "version": "1",
        "model_digest": "m",
        "baseline_digest": "b",
        "chosen": "trees",
        "why_chosen": "best",
        "metric": "log_loss",
        "threshold": None,
        "importance": {},
        "leaks": (),
        "calibration": (),
        "calibration_error": 0.108,
        "calibration_perfect": PerfectCalibration(usual=0.076, most=0.11),
        "slices": (),
        "lead": Lead(value=0.05, low=0.02, high=0.08),
        "candidates": (candidate("baseline", 0.55), candidate("trees", 0.5)),
    }
    return Evaluation(**{**plain, **more})


def found(measured: Evaluation, validation: Validation | None = None) -> dict:
    fitted = FittedCandidate(
        name="trees",
        estimator="trees",
        settings={},
        cross_validated=0.5,
        fit_seconds=0.1,
        peak_memory_bytes=1,
    )
    training = Training(
        model="flights",
        configuration_digest="c",
        dataset="d",
        metric="log_loss",
        candidates=(fitted,),
        tuned=False,
        overfit_check="passed",
    )
    return {one.what: one for one in findings(flights_spec(), measured, training, validation)}


def test_engine_and_candidates_passed_over_are_at_the_top():
    """Show the engine and the candidates that were passed over, each with its reason."""
    head = found(evaluation(passed_over={"linear": "linear: skill 0.00"}))
    assert (head["Served by"].mark, "by 0.05 on 9 rows" in head["Served by"].words[0]) == (
        "warn",
        True,
    )
    assert "passed over: linear: skill 0.00" in head["Chosen"].words


@pytest.mark.parametrize(
    ("error", "perfect", "mark"),
    [
        (0.108, (0.076, 0.11), "good"),
        (0.15, (0.076, 0.11), "bad"),
        (0.009, (0.004, 0.006), "plain"),
    ],
)
def test_calibration_is_bad_beyond_chance_and_beyond_a_small_error(error, perfect, mark):
    """Call an error bad only if it is beyond chance and large enough to change decisions.

    10.8 % on 189 rows is chance. 0.9 % on 60,000 rows is shown, and changes no decision.
    """
    one = found(
        evaluation(
            calibration_error=error,
            calibration_perfect=PerfectCalibration(usual=perfect[0], most=perfect[1]),
        )
    )["Calibration"]
    assert (one.mark, one.words[0].startswith("BAD")) == (mark, mark == "bad")


def test_values_are_calibrated_unless_many_bins_lie_outside():
    """Call values badly calibrated if three of ten bins lie outside; two may by chance."""
    inside = CalibrationBin(predicted=1, observed=1, rows=9, low=0, high=2)
    outside = inside.model_copy(update={"observed": 3.0})
    for count, mark in ((2, "good"), (3, "bad")):
        bins = (*[outside] * count, *[inside] * (10 - count))
        of_values = {"calibration_error": None, "calibration_perfect": None}
        assert found(evaluation(calibration=bins, **of_values))["Calibration"].mark == mark


def test_a_slice_is_weak_when_all_of_its_interval_is_worse():
    """Name a slice as weak if its whole interval is worse, not if it is worse by chance."""
    slices = tuple(
        SliceResult(
            column="carrier", value=value, rows=300, metric=Estimate(value=0.6, low=low, high=0.7)
        )
        for value, low in (("AA", 0.45), ("UA", 0.55))
    )
    words = found(evaluation(slices=slices))["Weak spots"].words
    assert len(words) == 1
    assert "carrier = UA" in words[0]


def test_a_failed_check_is_shown_with_its_reason():
    """Show a failed check with its reason, and say if validation has not run."""
    checks = (
        Check(name="latency", passed=False, detail="p99 of one row 90 ms, allowed 50 ms"),
        Check(name="leaks", passed=True, detail="", warning=True),
    )
    validation = Validation(
        model="flights", version="1", model_digest="m", status="failed", checks=checks
    )
    row = found(evaluation(), validation)["Validation"]
    assert (row.mark, row.words[1]) == (
        "bad",
        "failed: latency: p99 of one row 90 ms, allowed 50 ms",
    )
    assert "1 of 2 checks; with a warning: leaks" in row.words[0]
    assert found(evaluation())["Validation"].words == ("not yet run",)
