"""Absolute values that a metric must reach, and a baseline that it must beat, judged by MLflow's MetricThreshold."""

import math

from titlebout.spec import figure

SMALLEST_LEAD = 1e-12  # MLflow asks for a change above 0; any real lead over the baseline is larger


def failure(
    metric: str, value: float, *, greater_is_better: bool, threshold: float | None = None, baseline: float | None = None
) -> str | None:
    """Return why the value fails the threshold or does not beat the baseline; None if it holds.

    What is not a number fails here, before MLflow: it would let NaN pass as a relative change, and stop at it as an absolute one.
    """
    import mlflow
    from mlflow.models import EvaluationResult, MetricThreshold
    from mlflow.models.evaluation.validation import ModelValidationFailedException

    if not math.isfinite(value) or (baseline is not None and not math.isfinite(baseline)):
        return f"{metric} is {value:g}" + (f", the baseline's {baseline:g}" if baseline is not None else "") + ": not a number to decide by"
    reach = f"{'at least' if greater_is_better else 'at most'} {figure(threshold)}" if threshold is not None else ""
    beat = f"{'more' if greater_is_better else 'less'} than the baseline's {figure(baseline)}" if baseline is not None else ""
    lead = SMALLEST_LEAD if baseline is not None else None
    wanted = MetricThreshold(threshold=threshold, min_absolute_change=lead, greater_is_better=greater_is_better)
    opponent = None if baseline is None else EvaluationResult(metrics={metric: baseline}, artifacts={})
    try:
        mlflow.validate_evaluation_results({metric: wanted}, EvaluationResult(metrics={metric: value}, artifacts={}), opponent)
    except ModelValidationFailedException:
        return f"{metric} is {figure(value)}, expected {' and '.join(filter(None, (reach, beat)))}"
    return None
