"""Does every sub-population fare well enough? A slice fails when it is shown to be worse than allowed, not when it happens to be."""

import math
from typing import Literal, NamedTuple

from titlebout.spec import (
    METRICS,
    Check,
    Evaluation,
    ModelSpec,
    SliceResult,
    SmallSlices,
    figure,
    from_to,
)


def slice_check(spec: ModelSpec, evaluation: Evaluation) -> Check:
    """Fail a slice that is shown to be worse than `slices.worst`: its whole interval is. What cannot be told is said, and passes."""
    worst = spec.slices.worst
    if worst is None:
        return Check(name="slices", passed=True, detail="model.yaml sets no worst value")
    verdicts = [
        (one, against_worst(one, worst, greater=METRICS[evaluation.metric].greater_is_better))
        for one in evaluation.slices
    ]
    unmeasured = _unmeasured(spec, evaluation)
    failed = [
        f"{_slice_words(one)} is shown to be worse" for one, found in verdicts if found == "worse"
    ] + unmeasured.failing
    open_ = [_slice_words(one) for one, found in verdicts if found == "cannot tell"]
    told = [f"cannot tell whether {', '.join(open_)} reach it"] if open_ else []
    words = failed + told + unmeasured.open or ["all reach it"]
    detail = f"{'; '.join(words)}: {evaluation.metric} must reach {figure(worst)}"
    return Check(
        name="slices",
        passed=not failed,
        detail=detail,
        warning=not failed and bool(told or unmeasured.open),
    )


def against_worst(
    one: SliceResult, worst: float, *, greater: bool
) -> Literal["reaches", "worse", "cannot tell"]:
    """What is not a number reaches nothing."""
    value, low, high = one.metric.value, one.metric.low, one.metric.high
    if math.isnan(value):
        return "worse"
    if value >= worst if greater else value <= worst:
        return "reaches"
    best = high if greater else low
    if best is None:
        return "cannot tell"
    return "worse" if (best < worst if greater else best > worst) else "cannot tell"


class _Unmeasured(NamedTuple):
    failing: list[str]
    open: list[str]


def _unmeasured(spec: ModelSpec, evaluation: Evaluation) -> _Unmeasured:
    """What could not be measured. A column that the evaluation did not even look at fails; else model.yaml decides."""
    measured, small = (
        {one.column for one in evaluation.slices},
        {one.column: one for one in evaluation.small_slices},
    )
    unseen = [
        f"no slice of {name} was measured"
        for name in spec.slices.columns
        if name not in measured and name not in small
    ]
    without = [
        _small_words(spec, small[name])
        for name in spec.slices.columns
        if name in small and name not in measured
    ]
    beside = [
        _small_words(spec, small[name])
        for name in spec.slices.columns
        if name in small and name in measured
    ]
    if spec.slices.unmeasured == "fail":
        return _Unmeasured(unseen + without, beside)
    return _Unmeasured(unseen, without + beside)


def _small_words(spec: ModelSpec, small: SmallSlices) -> str:
    return (
        f"cannot tell for {small.slices} slice{'s' if small.slices > 1 else ''} of {small.column} ({small.rows:,} holdout rows, "
        f"the largest {small.largest:,}; {spec.slices.minimum_rows:,} rows and more than one label are needed)"
    )


def _slice_words(one: SliceResult) -> str:
    low, high = one.metric.low, one.metric.high
    bounds = "" if low is None or high is None else f" ({from_to(low, high)})"
    return f"{one.column}={one.value} {figure(one.metric.value)}{bounds} on {one.rows:,} rows"
