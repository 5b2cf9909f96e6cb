"""Reach a verdict from two models' scores of the same rows and a policy, without files or servers.

The interval is two-sided. So at confidence 0.95 a Challenger that is no better is accepted in 2.5 %
of the comparisons. Every guardrail must hold as well, which makes an accept rarer, never likelier.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.metrics import MINIMUM_UNITS, TooFew, paired_difference, score
from titlebout.spec import (
    METRICS,
    Comparison,
    DataError,
    Disagreement,
    GatePolicy,
    Outcome,
    Verdict,
    figure,
    from_to,
)

Requirement = Literal["superiority", "non_inferiority"]
# Significant digits of a recorded figure. Two processors may compute the last bits differently, and
# that must not change a record's digest.
RECORDED_DIGITS = 9


class ComparisonSetup(NamedTuple):
    """Say which models are compared, on which rows, and by which rules."""

    model: str
    metric: str
    opponent: Literal["champion", "baseline"]
    challenger_digest: str
    opponent_digest: str | None
    dataset: str
    holdout: str | None
    policy: GatePolicy | None
    confidence: float
    seed: int
    warnings: tuple[str, ...] = ()


class Scored(NamedTuple):
    """Hold labels and both models' scores, one element per row of the holdout.

    Rows of one day (`blocks`) or of one group are not independent.
    """

    y: NDArray[np.int64] | NDArray[np.float64]
    challenger: NDArray[np.floating]
    opponent: NDArray[np.floating]
    blocks: NDArray[np.int64] | None
    groups: NDArray[np.int64] | None = None
    disagreement: Disagreement | None = None


def reach_verdict(setup: ComparisonSetup, scored: Scored) -> Verdict:
    """Accept the Challenger if every comparison accepts it.

    A comparison that rejects, or cannot be made, rejects it. One with too few rows is inconclusive,
    and says what is missing.
    """
    if setup.policy is None:
        return refuse(setup, "the policy in model.yaml cannot be read")
    if setup.challenger_digest == setup.opponent_digest:
        return refuse(
            setup,
            f"the Challenger is the {setup.opponent.capitalize()}: "
            f"both have the digest {setup.challenger_digest[:12]}",
        )
    try:
        primary = _compare(
            setup, scored, setup.metric, margin=setup.policy.margin, require=setup.policy.require
        )
        guardrails = [
            _compare(setup, scored, metric, margin=margin, require="non_inferiority")
            for metric, margin in sorted(setup.policy.guardrails.items())
        ]
    except DataError as error:
        return refuse(setup, str(error))
    outcome = _combined_outcome([found.outcome for found in (primary, *guardrails)])
    reasons = [_reason(primary, setup.policy.require)]
    reasons += [f"guardrail {_reason(found, 'non_inferiority')}" for found in guardrails]
    verdict = _verdict(
        setup,
        outcome,
        reasons,
        primary=primary if isinstance(primary, Comparison) else None,
        guardrails=tuple(found for found in guardrails if isinstance(found, Comparison)),
    )
    return verdict.model_copy(update={"disagreement": scored.disagreement})


def refuse(setup: ComparisonSetup, *reasons: str) -> Verdict:
    """Reject without figures: the comparison could not be made, or must not count."""
    return _verdict(setup, "reject", reasons)


def decide_outcome(*, low: float, high: float, margin: float, require: Requirement) -> Outcome:
    """Decide by where the interval of the Challenger's lead lies.

    A lead of exactly −margin is still no worse than allowed. An interval that is the point 0 comes
    of two models that these rows do not tell apart: neither is shown to be better.
    """
    if require == "superiority":
        if low == high == 0:
            return "inconclusive"
        return "accept" if low > 0 else "reject" if high <= 0 else "inconclusive"
    return "accept" if low >= -margin else "reject" if high < -margin else "inconclusive"


def rows_more(*, difference: float, half_width: float, boundary: float, rows: int) -> int | None:
    """Return how many further rows would decide at the present estimate.

    The interval narrows with the square root of the rows. None if the estimate lies on the wrong
    side of the boundary: more rows would rather confirm a rejection.
    """
    distance = difference - boundary
    if distance <= 0:
        return None
    return max(1, math.ceil(rows * ((half_width / distance) ** 2 - 1)))


class _TooFewRows(NamedTuple):
    """Describe a comparison that the holdout is too small for; `missing` says what it needs."""

    metric: str
    missing: str
    outcome: Outcome = "inconclusive"


def _compare(
    setup: ComparisonSetup, scored: Scored, metric: str, *, margin: float, require: Requirement
) -> Comparison | _TooFewRows:
    """Compare by one metric. Raise DataError for scores that cannot be measured."""
    try:
        lead = paired_difference(
            metric,
            scored.y,
            scored.challenger,
            scored.opponent,
            blocks=scored.blocks,
            groups=scored.groups,
            confidence=setup.confidence,
            seed=setup.seed,
        )
    except TooFew as error:
        return _TooFewRows(
            metric, f"expected {error.expected}, found {error.found}; {error.next_step}"
        )
    if missing := _missing_labels(metric, scored.y):
        return _TooFewRows(metric, missing)
    outcome = decide_outcome(low=lead.low, high=lead.high, margin=margin, require=require)
    boundary = 0.0 if require == "superiority" else -margin
    further = rows_more(
        difference=lead.value, half_width=lead.high - lead.value, boundary=boundary, rows=lead.rows
    )
    return Comparison(
        metric=metric,
        challenger=_finite(metric, score(metric, scored.y, scored.challenger)),
        opponent=_finite(metric, score(metric, scored.y, scored.opponent)),
        difference=_finite(metric, lead.value),
        low=_finite(metric, lead.low),
        high=_finite(metric, lead.high),
        confidence=setup.confidence,
        margin=margin,
        method=lead.method,
        rows=lead.rows,
        blocks=lead.blocks,
        outcome=outcome,
        rows_more=further if outcome == "inconclusive" else None,
    )


def _missing_labels(metric: str, y: NDArray[np.int64] | NDArray[np.float64]) -> str:
    """Say which labels the holdout lacks; empty if it has enough, or the metric is of numbers.

    The rarer a label, the more its few rows decide the mean loss, and the less Student's t holds:
    `benchmarks/gate_few_positives.py`.
    """
    if "regression" in METRICS[metric].tasks:
        return ""
    rows, others = len(y), len(y) - int(np.unique(y, return_counts=True)[1].max())
    needed = math.ceil(MINIMUM_UNITS * (1 - 2 * others / rows))
    if others >= needed:
        return ""
    further = (
        f"about {math.ceil(rows * needed / others) - rows:,} more holdout rows"
        if others
        else "holdout rows of another label"
    )
    return (
        f"{others} of {rows:,} holdout rows have another label than the commonest one, "
        f"at least {needed} are needed: {further}"
    )


def _finite(metric: str, value: float) -> float:
    """Return the figure as a record holds it. Raise DataError unless it is finite."""
    if not math.isfinite(value):
        raise DataError(
            f"metric {metric}",
            expected="a finite figure",
            found=str(value),
            next_step="look at the models' scores",
        )
    return round_as_recorded(value)


def round_as_recorded(value: float) -> float:
    """Return the figure as a record holds it."""
    return float(f"{value:.{RECORDED_DIGITS}g}")


def _combined_outcome(outcomes: list[Outcome]) -> Outcome:
    return (
        "reject"
        if "reject" in outcomes
        else "inconclusive"
        if "inconclusive" in outcomes
        else "accept"
    )


def _reason(comparison: Comparison | _TooFewRows, require: Requirement) -> str:
    """Say in one sentence the figures and where the interval lies."""
    if isinstance(comparison, _TooFewRows):
        return f"{comparison.metric} cannot be compared: {comparison.missing}"
    if comparison.low == comparison.high == 0:
        alike = (
            f"{comparison.metric}: both models have {figure(comparison.challenger)}, "
            f"and none of {comparison.rows:,} rows tells them apart"
        )
        return (
            f"{alike}; only rows that do could decide"
            if comparison.outcome == "inconclusive"
            else f"{alike}, no worse"
        )
    line = "0" if require == "superiority" else f"−{figure(comparison.margin)}, the margin"
    lies = {
        "accept": f"above {line}",
        "reject": f"not above {line}",
        "inconclusive": f"on both sides of {line}",
    }[comparison.outcome]
    direction = "higher" if METRICS[comparison.metric].greater_is_better else "lower"
    comparative = "better" if comparison.difference >= 0 else "worse"
    lead = f"{comparative} by {figure(abs(comparison.difference))}"
    interval = (
        f"{100 * comparison.confidence:.4g} % interval {from_to(comparison.low, comparison.high)}"
    )
    return (
        f"{comparison.metric} ({direction} is better): "
        f"{lead}, {interval}, {lies}{_further(comparison)}"
    )


def _further(comparison: Comparison) -> str:
    if comparison.outcome != "inconclusive":
        return ""
    if comparison.rows_more is None:
        return "; more rows would rather confirm a rejection"
    return f"; at this lead about {comparison.rows_more:,} more holdout rows would decide"


def _verdict(
    setup: ComparisonSetup,
    outcome: Outcome,
    reasons: list[str] | tuple[str, ...],
    *,
    primary: Comparison | None = None,
    guardrails: tuple[Comparison, ...] = (),
) -> Verdict:
    return Verdict(
        model=setup.model,
        verdict=outcome,
        reasons=tuple(reasons),
        opponent=setup.opponent,
        challenger_digest=setup.challenger_digest,
        opponent_digest=setup.opponent_digest,
        dataset=setup.dataset,
        holdout=setup.holdout,
        primary=primary,
        guardrails=guardrails,
        policy=setup.policy,
        confidence=setup.confidence,
        seed=setup.seed,
        warnings=setup.warnings,
    )
