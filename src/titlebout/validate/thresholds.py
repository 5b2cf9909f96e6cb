"""Compare a metric with the value that it must reach and the baseline that it must beat."""

import math

from titlebout.spec import figure


def failure(
    metric: str,
    value: float,
    *,
    greater_is_better: bool,
    threshold: float | None = None,
    baseline: float | None = None,
) -> str | None:
    """Return why the value misses the threshold or does not beat the baseline, or None.

    NaN reaches nothing.
    """
    wanted = []
    if threshold is not None and not (
        value >= threshold if greater_is_better else value <= threshold
    ):
        wanted.append(f"{'at least' if greater_is_better else 'at most'} {figure(threshold)}")
    if baseline is not None and not (value > baseline if greater_is_better else value < baseline):
        wanted.append(
            f"{'more' if greater_is_better else 'less'} than the baseline's {figure(baseline)}"
        )
    if not math.isfinite(value):
        wanted.append("a number to decide by")
    return f"{metric} is {figure(value)}, expected {' and '.join(wanted)}" if wanted else None
