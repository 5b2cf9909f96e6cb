"""Show what `titlebout train` prints before a release: who was passed over, and what failed."""

from titlebout.cli.training import _training_in_words
from titlebout.spec import Check, Evaluation, GatePolicy, PerfectCalibration, Validation, Verdict

EVALUATION = Evaluation(
    model="m",
    dataset="d" * 64,
    run_id="r",
    version="3",
    model_digest="c" * 64,
    baseline_digest="b" * 64,
    chosen="linear",
    why_chosen="the only one",
    passed_over={"trees": "trees: skill 0.00 on the 9 rows it was fitted to"},
    metric="log_loss",
    threshold=0.5,
    candidates=(),
    slices=(),
    importance={},
    leaks=(),
    calibration=(),
    calibration_error=None,
)


def output(
    *checks: Check, warnings: tuple[str, ...] = (), evaluation: Evaluation = EVALUATION
) -> str:
    status = "passed" if all(check.passed for check in checks) else "failed"
    validation = Validation(
        model="m", version="3", model_digest="c" * 64, status=status, checks=checks
    )
    verdict = Verdict(
        model="m",
        verdict="accept",
        reasons=("better",),
        warnings=warnings,
        opponent="baseline",
        challenger_digest="c" * 64,
        opponent_digest="b" * 64,
        dataset="d" * 64,
        holdout="h" * 64,
        primary=None,
        policy=GatePolicy(),
        confidence=0.95,
        seed=0,
    )
    return _training_in_words(evaluation, validation, verdict, report="report.html")


def test_who_was_passed_over_is_named_in_the_headline():
    """Name a passed-over candidate right below the chosen one, with the reason."""
    lines = output().splitlines()
    assert lines[1] == "  passed over: trees: skill 0.00 on the 9 rows it was fitted to"


def test_a_warning_is_printed_and_the_advice_to_release_waits_for_it():
    """Print a warning, and do not simply advise to release: a ROC AUC of 1.0 is suspicious."""
    leak = Check(
        name="leaks", passed=True, detail="nearly perfect on the holdout (roc_auc 1)", warning=True
    )
    text = output(leak, warnings=("leaks: nearly perfect on the holdout (roc_auc 1)",))
    assert "validation passed, with warnings" in text
    assert "  warning: leaks: nearly perfect on the holdout (roc_auc 1)" in text
    assert "next   read the warnings; if they are harmless, release it" in text


def test_a_failed_check_is_printed_and_a_check_that_holds_is_not():
    """Print failed checks, and no line for a check that passed."""
    failed, fine = (
        Check(name="size", passed=False, detail="600 MB"),
        Check(name="format", passed=True, detail="digest right"),
    )
    text = output(failed, fine)
    assert "validation failed" in text
    assert "  failed: size: 600 MB" in text
    assert "digest right" not in text


def test_a_bad_calibration_is_said():
    """Print a bad calibration, and nothing if it is by chance alone.

    Whoever reads only the terminal must know that the probabilities are wrong.
    """
    perfect = PerfectCalibration(usual=0.08, most=0.12)
    bad, good = (
        EVALUATION.model_copy(update={"calibration_error": error, "calibration_perfect": perfect})
        for error in (0.2, 0.11)
    )
    assert "  calibration: BAD: its probabilities are off by 20.0 % on average" in output(
        evaluation=bad
    )
    assert "calibration" not in output(evaluation=good)
