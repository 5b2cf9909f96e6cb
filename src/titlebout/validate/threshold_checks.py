"""Check the measured figures: thresholds, baseline, leaks. What was not measured fails."""

import math

from titlebout.spec import METRICS, Check, Evaluation, Lead, ModelSpec, Task, figure
from titlebout.validate.thresholds import failure

SKILL_METRIC: dict[Task, str] = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}
# Honest tables that are so easy exist (breast cancer has a ROC AUC of 0.99). Most tables that seem
# so easy hold a leak.
TOO_GOOD = 0.995


def threshold_checks(spec: ModelSpec, evaluation: Evaluation) -> list[Check]:
    """Return one check per absolute threshold of model.yaml, on the holdout."""
    found = _holdout(evaluation, evaluation.chosen)
    return [
        _check(
            f"threshold {metric}",
            failure(
                metric,
                found[metric],
                greater_is_better=METRICS[metric].greater_is_better,
                threshold=wanted,
            ),
        )
        for metric, wanted in spec.thresholds.items()
    ]


def baseline_check(evaluation: Evaluation) -> Check:
    """Check that the chosen candidate is better than the baseline.

    If the rows cannot tell which is better, pass with a warning; the gate decides.
    """
    metric, name = evaluation.metric, "beats the baseline"
    value = _holdout(evaluation, evaluation.chosen)[metric]
    baseline = _holdout(evaluation, "baseline")[metric]
    failed = failure(
        metric, value, greater_is_better=METRICS[metric].greater_is_better, baseline=baseline
    )
    figures = f"{metric} {figure(value)}, baseline {figure(baseline)}"
    if failed is None or not _may_be_better(evaluation.lead):
        return _check(name, failed, passed=figures)
    return Check(
        name=name,
        passed=True,
        detail=f"{figures}: no better, but too few holdout rows to tell",
        warning=True,
    )


def _may_be_better(lead: Lead | None) -> bool:
    """Return whether the rows leave it open.

    A lead that was not measured leaves nothing open: no candidate passes without a record.
    """
    if lead is None or math.isnan(lead.value):
        return False
    return lead.high is None or lead.high >= 0


def leak_check(spec: ModelSpec, evaluation: Evaluation) -> Check:
    """Fail suspicious columns under `leaks: fail`, or warn under `leaks: warn`.

    Strong columns are only named. A nearly perfect model always gives a warning, as two leaks may
    confirm each other.
    """
    suspicious = [leak.evidence for leak in evaluation.leaks if leak.level == "suspicious"]
    strong = [leak.column for leak in evaluation.leaks if leak.level == "strong"]
    named = [f"strong, which may be honest: {', '.join(strong)}"] if strong else []
    too_good = _too_good(spec, evaluation)
    passed = spec.leaks == "warn" or not suspicious
    detail = "; ".join(suspicious + too_good + named) or "none found"
    return Check(
        name="leaks", passed=passed, detail=detail, warning=passed and bool(suspicious + too_good)
    )


def _too_good(spec: ModelSpec, evaluation: Evaluation) -> list[str]:
    metric = SKILL_METRIC[spec.task]
    value = _holdout(evaluation, evaluation.chosen).get(metric, math.nan)
    if not value >= TOO_GOOD:
        return []
    return [
        f"nearly perfect on the holdout ({metric} {figure(value)}): "
        "is every feature known when the prediction is made?"
    ]


def overfit_batch_check(evaluation: Evaluation) -> Check:
    """Check that the chosen candidate passed the overfit check of training."""
    detail = (
        "learns a handful of rows by heart"
        if evaluation.fits_batch
        else "cannot learn a handful of rows by heart"
    )
    return Check(
        name="overfit check", passed=evaluation.fits_batch, detail=f"{evaluation.chosen} {detail}"
    )


def _holdout(evaluation: Evaluation, name: str) -> dict[str, float]:
    found = next(one for one in evaluation.candidates if one.name == name)
    return {metric: estimate.value for metric, estimate in found.metrics["holdout"].items()}


def _check(name: str, failed: str | None, *, passed: str = "reached") -> Check:
    """Return the check; `failed` is the detail if it failed, else None, and `passed` otherwise."""
    return Check(name=name, passed=failed is None, detail=failed or passed)
