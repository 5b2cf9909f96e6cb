"""Measured figures that do not suffice fail, and so does what was not measured."""

import math

import pytest

from titlebout.spec import (
    CandidateEvaluation,
    Estimate,
    Evaluation,
    Lead,
    Leak,
    SliceResult,
    Slices,
    SmallSlices,
    find_project,
    load_model_spec,
)
from titlebout.validate.slice_check import slice_check
from titlebout.validate.threshold_checks import (
    baseline_check,
    leak_check,
    overfit_batch_check,
    threshold_checks,
)
from titlebout.validate.thresholds import failure

SPEC = load_model_spec(find_project(), "flights")
LEAK = Leak(
    column="dep_delay",
    level="suspicious",
    evidence="dep_delay alone has skill 0.77",
    skill_alone=0.77,
    skill_of_model=0.8,
    skill_without=0.2,
)
SMALL = SmallSlices(column="origin", slices=3, rows=120, largest=50)


def evaluation(
    *, log_loss: float = 0.5, baseline: float = 0.55, roc_auc: float = 0.68, **more
) -> Evaluation:
    def candidate(name: str, loss: float, auc: float) -> CandidateEvaluation:
        found = {"log_loss": Estimate(value=loss), "roc_auc": Estimate(value=auc)}
        return CandidateEvaluation(
            name=name, metrics={"holdout": found}, predict_ms_per_row=0.1, size_bytes=1
        )

    plain = {
        "model": "flights", "dataset": "d", "run_id": "r", "version": "1", "model_digest": "m", "baseline_digest": "b", "chosen": "trees",
        "why_chosen": "", "metric": "log_loss", "threshold": 0.2, "importance": {},
        "leaks": (), "calibration": (), "calibration_error": 0.0,
        "candidates": (candidate("baseline", baseline, 0.5), candidate("trees", log_loss, roc_auc)),
        "slices": tuple(slice_of(column, 0.5) for column in SPEC.slices.columns),
    }  # fmt: skip
    return Evaluation(**{**plain, **more})


def slice_of(column: str, value: float, *, half: float | None = None) -> SliceResult:
    bounds = {} if half is None else {"low": value - half, "high": value + half}
    return SliceResult(column=column, value="AA", rows=400, metric=Estimate(value=value, **bounds))


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


@pytest.mark.parametrize(
    ("log_loss", "baseline"), [(0.56, 0.55), (0.55, 0.55), (math.nan, 0.55), (0.5, math.nan)]
)
def test_what_does_not_beat_the_baseline_fails(log_loss, baseline):
    """Worse, equal, and not comparable are all no victory."""
    assert not baseline_check(evaluation(log_loss=log_loss, baseline=baseline)).passed


@pytest.mark.parametrize(
    ("lead", "passed"),
    [
        (Lead(value=-0.01, low=-0.02, high=-0.001), False),
        (Lead(value=-0.01, low=-0.03, high=0.01), True),
        (Lead(value=0.0, low=0.0, high=0.0), True),
        (Lead(value=-0.01), True),
        (Lead(value=math.nan), False),
        (None, False),
    ],
)
def test_what_the_rows_cannot_tell_is_left_to_the_gate_with_a_warning(lead, passed):
    """No better than the baseline fails where it is shown; where it is open, it passes and is warned of."""
    check = baseline_check(evaluation(log_loss=0.56, baseline=0.55, lead=lead))
    assert (check.passed, check.warning) == (passed, passed)


@pytest.mark.parametrize(("value", "half"), [(0.81, 0.005), (math.nan, None)])
def test_one_bad_slice_fails_and_is_named(value, half):
    """A slice whose whole interval is worse decides, not the average; so does one that is no number."""
    check = slice_check(
        SPEC, evaluation(slices=(slice_of("carrier", value, half=half), slice_of("origin", 0.5)))
    )
    assert (check.passed, check.detail.startswith("carrier=AA")) == (False, True)


@pytest.mark.parametrize("half", [0.02, None])
def test_a_slice_that_may_be_good_enough_passes_and_is_named(half):
    """Worse by chance is not shown to be worse, nor is one without an interval."""
    check = slice_check(
        SPEC, evaluation(slices=(slice_of("carrier", 0.81, half=half), slice_of("origin", 0.5)))
    )
    assert (check.passed, check.warning, "cannot tell whether carrier=AA" in check.detail) == (
        True,
        True,
        True,
    )


def test_a_column_that_was_not_looked_at_fails():
    """An evaluation that says nothing of a column is no pass by default."""
    check = slice_check(SPEC, evaluation(slices=(slice_of("carrier", 0.5),)))
    assert (check.passed, "no slice of origin" in check.detail) == (False, True)


@pytest.mark.parametrize(("unmeasured", "passed"), [("warn", True), ("fail", False)])
def test_a_column_of_small_slices_is_said_and_fails_only_if_the_team_asks_for_it(
    unmeasured, passed
):
    """Few rows are no fault of the model; `slices.unmeasured: fail` demands them all the same."""
    spec = SPEC.model_copy(
        update={"slices": SPEC.slices.model_copy(update={"unmeasured": unmeasured})}
    )
    check = slice_check(spec, evaluation(slices=(slice_of("carrier", 0.5),), small_slices=(SMALL,)))
    assert (check.passed, check.warning) == (passed, passed)
    assert "cannot tell for 3 slices of origin (120 holdout rows" in check.detail


def test_slices_are_not_judged_where_model_yaml_sets_no_worst_value():
    """Without a value to reach there is nothing to fail."""
    spec = SPEC.model_copy(update={"slices": Slices(columns=("carrier",))})
    assert slice_check(spec, evaluation(slices=())).passed


@pytest.mark.parametrize(("policy", "passed"), [("fail", False), ("warn", True)])
def test_a_leak_fails_or_warns_as_model_yaml_says(policy, passed):
    """Either way the column is named."""
    check = leak_check(SPEC.model_copy(update={"leaks": policy}), evaluation(leaks=(LEAK,)))
    assert (check.passed, check.warning, "dep_delay" in check.detail) == (passed, passed, True)


@pytest.mark.parametrize("policy", ["fail", "warn"])
def test_a_strong_column_is_named_without_a_warning(policy):
    """A carat is no leak of a diamond's price."""
    strong = LEAK.model_copy(update={"level": "strong"})
    check = leak_check(SPEC.model_copy(update={"leaks": policy}), evaluation(leaks=(strong,)))
    assert (check.passed, check.warning, "dep_delay" in check.detail) == (True, False, True)


def test_a_nearly_perfect_model_is_warned_of_without_a_column_to_name():
    """Two leaks may confirm each other; a ROC AUC of 1 is a warning by itself."""
    check = leak_check(SPEC, evaluation(roc_auc=1.0))
    assert (check.passed, check.warning, "roc_auc 1" in check.detail) == (True, True, True)
    assert not leak_check(SPEC, evaluation(roc_auc=0.98)).warning


def test_a_candidate_that_cannot_learn_fails():
    """The overfit check of training is not forgotten here."""
    assert not overfit_batch_check(evaluation(fits_batch=False)).passed


def test_the_reason_is_in_our_words():
    """What was found and what was expected, and nothing where the metric holds. MLflow spoke of "1e-12" and let an equal 348,712 pass."""
    assert (
        failure("roc_auc", 0.5, greater_is_better=True, threshold=0.6)
        == "roc_auc is 0.5, expected at least 0.6"
    )
    beaten = failure("mae", 348_712.0, greater_is_better=False, baseline=348_712.0)
    assert beaten == "mae is 348,712, expected less than the baseline's 348,712"
    assert failure("roc_auc", 0.6, greater_is_better=True, threshold=0.6) is None
    assert failure("mae", 3.0, greater_is_better=False, threshold=4.0) is None


def test_an_undefined_figure_survives_its_record():
    """NaN and infinity are written as text, as JSON has no such numbers, and read back as what they were."""
    written = evaluation(roc_auc=math.nan, log_loss=math.inf)
    read = Evaluation.model_validate_json(written.canonical_json())
    found = read.candidates[1].metrics["holdout"]
    assert (math.isnan(found["roc_auc"].value), found["log_loss"].value) == (True, math.inf)
    assert read.digest == written.digest
