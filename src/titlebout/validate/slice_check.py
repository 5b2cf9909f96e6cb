"""Check that every slice reaches the worst value that model.yaml allows.

A slice fails if it is shown to be worse than allowed, not if it is worse by chance.
"""

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
    """Fail a slice whose whole interval is worse than `slices.worst`.

    A slice of which the rows cannot tell passes with a warning.
    """
    worst = spec.slices.worst
    if worst is None:
        return Check(name="slices", passed=True, detail="model.yaml sets no worst value")
    verdicts = [
        (one, against_worst(one, worst, greater=METRICS[evaluation.metric].greater_is_better))
        for one in evaluation.slices
    ]
    unmeasured = _unmeasured(spec, evaluation)
    failed = [
        f"{_describe_slice(one)} is shown to be worse"
        for one, found in verdicts
        if found == "worse"
    ] + unmeasured.failing
    undecided = [_describe_slice(one) for one, found in verdicts if found == "cannot tell"]
    warnings = [f"cannot tell whether {', '.join(undecided)} reach it"] if undecided else []
    warnings += unmeasured.undecided
    sentences = failed + warnings or ["all reach it"]
    detail = f"{'; '.join(sentences)}: {evaluation.metric} must reach {figure(worst)}"
    return Check(
        name="slices",
        passed=not failed,
        detail=detail,
        warning=not failed and bool(warnings),
    )


def against_worst(
    one: SliceResult, worst: float, *, greater: bool
) -> Literal["reaches", "worse", "cannot tell"]:
    """Compare one slice with the worst allowed value. NaN is worse than any value."""
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
    undecided: list[str]


def _unmeasured(spec: ModelSpec, evaluation: Evaluation) -> _Unmeasured:
    """Return the columns whose slices could not be measured, as sentences.

    A column that the evaluation did not examine fails. For the others model.yaml decides.
    """
    measured = {one.column for one in evaluation.slices}
    small = {one.column: one for one in evaluation.small_slices}
    not_examined = [
        f"no slice of {name} was measured"
        for name in spec.slices.columns
        if name not in measured and name not in small
    ]
    only_small = [
        _describe_small(spec, small[name])
        for name in spec.slices.columns
        if name in small and name not in measured
    ]
    some_small = [
        _describe_small(spec, small[name])
        for name in spec.slices.columns
        if name in small and name in measured
    ]
    if spec.slices.unmeasured == "fail":
        return _Unmeasured(not_examined + only_small, some_small)
    return _Unmeasured(not_examined, only_small + some_small)


def _describe_small(spec: ModelSpec, small: SmallSlices) -> str:
    return (
        f"cannot tell for {small.slices} slice{'s' if small.slices > 1 else ''} of {small.column} "
        f"({small.rows:,} holdout rows, the largest {small.largest:,}; "
        f"{spec.slices.minimum_rows:,} rows and more than one label are needed)"
    )


def _describe_slice(one: SliceResult) -> str:
    low, high = one.metric.low, one.metric.high
    bounds = "" if low is None or high is None else f" ({from_to(low, high)})"
    return f"{one.column}={one.value} {figure(one.metric.value)}{bounds} on {one.rows:,} rows"
