"""Fail figures that are not good enough, and what was not measured."""

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
        "model": "flights",
        "dataset": "d",
        "run_id": "r",
        "version": "1",
        "model_digest": "m",
        "baseline_digest": "b",
        "chosen": "trees",
        "why_chosen": "",
        "metric": "log_loss",
        "threshold": 0.2,
        "importance": {},
        "leaks": (),
        "calibration": (),
        "calibration_error": 0.0,
        "candidates": (candidate("baseline", baseline, 0.5), candidate("trees", log_loss, roc_auc)),
        "slices": tuple(slice_of(column, 0.5) for column in SPEC.slices.columns),
    }
    return Evaluation(**{**plain, **more})


def slice_of(column: str, value: float, *, half: float | None = None) -> SliceResult:
    bounds = {} if half is None else {"low": value - half, "high": value + half}
    return SliceResult(column=column, value="AA", rows=400, metric=Estimate(value=value, **bounds))


def test_good_figures_pass():
    """Pass every check with the flights model's own figures."""
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
    """Fail a ROC AUC below model.yaml's 0.6, and NaN."""
    (check,) = threshold_checks(SPEC, evaluation(roc_auc=value))
    assert (check.name, check.passed) == ("threshold roc_auc", False)


@pytest.mark.parametrize(
    ("log_loss", "baseline"), [(0.56, 0.55), (0.55, 0.55), (math.nan, 0.55), (0.5, math.nan)]
)
def test_what_does_not_beat_the_baseline_fails(log_loss, baseline):
    """Fail a candidate that is worse than the baseline, equal, or cannot be compared."""
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
    """Fail a candidate that is shown to be no better than the baseline, and warn if it is open."""
    check = baseline_check(evaluation(log_loss=0.56, baseline=0.55, lead=lead))
    assert (check.passed, check.warning) == (passed, passed)


@pytest.mark.parametrize(("value", "half"), [(0.81, 0.005), (math.nan, None)])
def test_one_bad_slice_fails_and_is_named(value, half):
    """Fail for one slice whose whole interval is worse, or whose metric is NaN, and name it."""
    check = slice_check(
        SPEC, evaluation(slices=(slice_of("carrier", value, half=half), slice_of("origin", 0.5)))
    )
    assert (check.passed, check.detail.startswith("carrier=AA")) == (False, True)


@pytest.mark.parametrize("half", [0.02, None])
def test_a_slice_that_may_be_good_enough_passes_and_is_named(half):
    """Pass with a warning a slice that may be worse by chance, or that has no interval."""
    check = slice_check(
        SPEC, evaluation(slices=(slice_of("carrier", 0.81, half=half), slice_of("origin", 0.5)))
    )
    assert (check.passed, check.warning, "cannot tell whether carrier=AA" in check.detail) == (
        True,
        True,
        True,
    )


def test_a_column_that_was_not_examined_fails():
    """Fail a column of which the evaluation says nothing."""
    check = slice_check(SPEC, evaluation(slices=(slice_of("carrier", 0.5),)))
    assert (check.passed, "no slice of origin" in check.detail) == (False, True)


@pytest.mark.parametrize(("unmeasured", "passed"), [("warn", True), ("fail", False)])
def test_a_column_of_small_slices_is_said_and_fails_only_if_the_team_asks_for_it(
    unmeasured, passed
):
    """Warn of a column of small slices, and fail it only under `slices.unmeasured: fail`."""
    spec = SPEC.model_copy(
        update={"slices": SPEC.slices.model_copy(update={"unmeasured": unmeasured})}
    )
    check = slice_check(spec, evaluation(slices=(slice_of("carrier", 0.5),), small_slices=(SMALL,)))
    assert (check.passed, check.warning) == (passed, passed)
    assert "cannot tell for 3 slices of origin (120 holdout rows" in check.detail


def test_slices_are_not_judged_where_model_yaml_sets_no_worst_value():
    """Pass if model.yaml sets no worst value."""
    spec = SPEC.model_copy(update={"slices": Slices(columns=("carrier",))})
    assert slice_check(spec, evaluation(slices=())).passed


@pytest.mark.parametrize(("policy", "passed"), [("fail", False), ("warn", True)])
def test_a_leak_fails_or_warns_as_model_yaml_says(policy, passed):
    """Fail or warn as model.yaml says, and name the column."""
    check = leak_check(SPEC.model_copy(update={"leaks": policy}), evaluation(leaks=(LEAK,)))
    assert (check.passed, check.warning, "dep_delay" in check.detail) == (passed, passed, True)


@pytest.mark.parametrize("policy", ["fail", "warn"])
def test_a_strong_column_is_named_without_a_warning(policy):
    """Name a strong column without a warning: a carat is no leak of a diamond's price."""
    strong = LEAK.model_copy(update={"level": "strong"})
    check = leak_check(SPEC.model_copy(update={"leaks": policy}), evaluation(leaks=(strong,)))
    assert (check.passed, check.warning, "dep_delay" in check.detail) == (True, False, True)


def test_a_nearly_perfect_model_is_warned_of_without_a_column_to_name():
    """Warn of a ROC AUC of 1 alone, as two leaks may confirm each other."""
    check = leak_check(SPEC, evaluation(roc_auc=1.0))
    assert (check.passed, check.warning, "roc_auc 1" in check.detail) == (True, True, True)
    assert not leak_check(SPEC, evaluation(roc_auc=0.98)).warning


def test_a_candidate_that_cannot_learn_fails():
    """Fail a candidate that failed the overfit check of training."""
    assert not overfit_batch_check(evaluation(fits_batch=False)).passed


def test_the_reason_is_in_our_words():
    """Say what was found and what was expected, and nothing if the metric is good enough.

    MLflow's own check printed "1e-12" and let an equal 348,712 pass.
    """
    assert (
        failure("roc_auc", 0.5, greater_is_better=True, threshold=0.6)
        == "roc_auc is 0.5, expected at least 0.6"
    )
    beaten = failure("mae", 348_712.0, greater_is_better=False, baseline=348_712.0)
    assert beaten == "mae is 348,712, expected less than the baseline's 348,712"
    assert failure("roc_auc", 0.6, greater_is_better=True, threshold=0.6) is None
    assert failure("mae", 3.0, greater_is_better=False, threshold=4.0) is None


def test_an_undefined_figure_survives_its_record():
    """Write NaN and infinity as text, as JSON has no such numbers, and read them back."""
    written = evaluation(roc_auc=math.nan, log_loss=math.inf)
    read = Evaluation.model_validate_json(written.canonical_json())
    found = read.candidates[1].metrics["holdout"]
    assert (math.isnan(found["roc_auc"].value), found["log_loss"].value) == (True, math.inf)
    assert read.digest == written.digest
