"""Do the measured figures suffice? Thresholds, baseline, slices, leaks; what was not measured fails."""

from titlebout.registry.thresholds import failure
from titlebout.spec import METRICS, Check, Evaluation, ModelSpec, SliceResult


def threshold_checks(spec: ModelSpec, evaluation: Evaluation) -> list[Check]:
    """One check per absolute threshold of model.yaml, on the holdout."""
    found = _holdout(evaluation, evaluation.chosen)
    return [
        _check(f"threshold {metric}", failure(metric, found[metric], greater_is_better=METRICS[metric].greater_is_better, threshold=wanted))
        for metric, wanted in spec.thresholds.items()
    ]


def baseline_check(evaluation: Evaluation) -> Check:
    metric = evaluation.metric
    value, baseline = _holdout(evaluation, evaluation.chosen)[metric], _holdout(evaluation, "baseline")[metric]
    failed = failure(metric, value, greater_is_better=METRICS[metric].greater_is_better, baseline=baseline)
    return _check("beats the baseline", failed, held=f"{metric} {value:.5g}, baseline {baseline:.5g}")


def slice_check(spec: ModelSpec, evaluation: Evaluation) -> Check:
    """The worst slice reaches `slices.worst`; a column without one slice large enough to judge fails."""
    worst = spec.slices.worst
    if worst is None:
        return Check(name="slices", passed=True, detail="model.yaml sets no worst value")
    measured = {one.column for one in evaluation.slices}
    if unmeasured := [column for column in spec.slices.columns if column not in measured]:
        detail = f"no slice of {', '.join(unmeasured)} has {spec.slices.minimum_rows} holdout rows to judge by"
        return Check(name="slices", passed=False, detail=detail)
    greater = METRICS[evaluation.metric].greater_is_better
    failed = [one for one in evaluation.slices if not (one.metric.value >= worst if greater else one.metric.value <= worst)]
    detail = "; ".join(map(_slice_words, failed)) + f": {evaluation.metric} must reach {worst:g}" if failed else f"all reach {worst:g}"
    return Check(name="slices", passed=not failed, detail=detail)


def leak_check(spec: ModelSpec, evaluation: Evaluation) -> Check:
    """`leaks: warn` tells and lets pass, `leaks: fail` does not let pass."""
    if not evaluation.leaks:
        return Check(name="leaks", passed=True, detail="none found")
    detail = "; ".join(leak.evidence for leak in evaluation.leaks)
    return Check(name="leaks", passed=spec.leaks == "warn", detail=f"warning: {detail}" if spec.leaks == "warn" else detail)


def overfit_batch_check(evaluation: Evaluation) -> Check:
    detail = "learns a handful of rows by heart" if evaluation.fits_batch else "cannot learn a handful of rows by heart"
    return Check(name="overfit check", passed=evaluation.fits_batch, detail=f"{evaluation.chosen} {detail}")


def _holdout(evaluation: Evaluation, name: str) -> dict[str, float]:
    found = next(one for one in evaluation.candidates if one.name == name)
    return {metric: estimate.value for metric, estimate in found.metrics["holdout"].items()}


def _check(name: str, failed: str | None, *, held: str = "reached") -> Check:
    return Check(name=name, passed=failed is None, detail=failed or held)


def _slice_words(one: SliceResult) -> str:
    return f"{one.column}={one.value} {one.metric.value:.4g} on {one.rows} rows"
