"""Measured figures that do not suffice fail, and so does what was not measured."""

import math

import pytest

from titlebout.registry.thresholds import failure
from titlebout.spec import CandidateEvaluation, Estimate, Evaluation, Leak, SliceResult, Slices, find_project, load_model_spec
from titlebout.validate.figures import baseline_check, leak_check, overfit_batch_check, slice_check, threshold_checks

SPEC = load_model_spec(find_project(), "flights")
LEAK = Leak(column="dep_delay", evidence="dep_delay alone has skill 0.77", score_alone=0.88, score_of_model=0.9)


def evaluation(*, log_loss: float = 0.5, baseline: float = 0.55, roc_auc: float = 0.68, **more) -> Evaluation:
    def candidate(name: str, loss: float, auc: float) -> CandidateEvaluation:
        found = {"log_loss": Estimate(value=loss), "roc_auc": Estimate(value=auc)}
        return CandidateEvaluation(name=name, metrics={"holdout": found}, predict_ms_per_row=0.1, size_bytes=1)

    plain = {
        "model": "flights", "dataset": "d", "run_id": "r", "version": "1", "model_digest": "m", "baseline_digest": "b", "chosen": "trees",
        "why_chosen": "", "metric": "log_loss", "threshold": 0.2, "importance": {},
        "leaks": (), "calibration": (), "calibration_error": 0.0,
        "candidates": (candidate("baseline", baseline, 0.5), candidate("trees", log_loss, roc_auc)),
        "slices": tuple(slice_of(column, 0.5) for column in SPEC.slices.columns),
    }  # fmt: skip
    return Evaluation(**{**plain, **more})


def slice_of(column: str, value: float) -> SliceResult:
    return SliceResult(column=column, value="AA", rows=400, metric=Estimate(value=value))


def test_good_figures_pass():
    """The flights model's own figures pass everything."""
    good = evaluation()
    checks = [
        *threshold_checks(SPEC, good),
        baseline_check(good),
        slice_check(SPEC, good),
        leak_check(SPEC, good),
        overfit_batch_check(good),
    ]
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize("value", [0.59, math.nan])
def test_a_threshold_that_is_missed_or_unknown_fails(value):
    """model.yaml asks for a ROC AUC of 0.6; NaN reaches nothing."""
    (check,) = threshold_checks(SPEC, evaluation(roc_auc=value))
    assert (check.name, check.passed) == ("threshold roc_auc", False)


@pytest.mark.parametrize(("log_loss", "baseline"), [(0.56, 0.55), (0.55, 0.55), (math.nan, 0.55), (0.5, math.nan)])
def test_what_does_not_beat_the_baseline_fails(log_loss, baseline):
    """Worse, equal, and not comparable are all no victory."""
    assert not baseline_check(evaluation(log_loss=log_loss, baseline=baseline)).passed


@pytest.mark.parametrize("value", [0.81, math.nan])
def test_one_bad_slice_fails_and_is_named(value):
    """The worst slice decides, not the average."""
    check = slice_check(SPEC, evaluation(slices=(slice_of("carrier", value), slice_of("origin", 0.5))))
    assert (check.passed, check.detail.startswith("carrier=AA")) == (False, True)


def test_a_column_without_a_slice_to_judge_by_fails():
    """A missing slice is a rejection with its reason, never a pass by default."""
    check = slice_check(SPEC, evaluation(slices=(slice_of("carrier", 0.5),)))
    assert (check.passed, "no slice of origin" in check.detail) == (False, True)


def test_slices_are_not_judged_where_model_yaml_sets_no_worst_value():
    """Without a value to reach there is nothing to fail."""
    spec = SPEC.model_copy(update={"slices": Slices(columns=("carrier",))})
    assert slice_check(spec, evaluation(slices=())).passed


@pytest.mark.parametrize(("policy", "passed"), [("fail", False), ("warn", True)])
def test_a_leak_fails_or_warns_as_model_yaml_says(policy, passed):
    """Either way the column is named."""
    check = leak_check(SPEC.model_copy(update={"leaks": policy}), evaluation(leaks=(LEAK,)))
    assert (check.passed, "dep_delay" in check.detail) == (passed, True)


def test_a_candidate_that_cannot_learn_fails():
    """The overfit check of training is not forgotten here."""
    assert not overfit_batch_check(evaluation(fits_batch=False)).passed


def test_mlflows_own_words_are_the_reason():
    """The adapter says what MLflow says, and nothing where the metric holds."""
    assert "threshold" in failure("roc_auc", 0.5, greater_is_better=True, threshold=0.6)
    assert failure("roc_auc", 0.6, greater_is_better=True, threshold=0.6) is None
    assert failure("mae", 3.0, greater_is_better=False, threshold=4.0) is None


def test_an_undefined_figure_survives_its_record():
    """NaN and infinity are written as text, as JSON has no such numbers, and read back as what they were."""
    written = evaluation(roc_auc=math.nan, log_loss=math.inf)
    read = Evaluation.model_validate_json(written.canonical_json())
    found = read.candidates[1].metrics["holdout"]
    assert (math.isnan(found["roc_auc"].value), found["log_loss"].value) == (True, math.inf)
    assert read.digest == written.digest
