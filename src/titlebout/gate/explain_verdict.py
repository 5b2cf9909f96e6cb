"""Explain a verdict in a few lines, with its figures and the next step."""

from titlebout.spec import Comparison, Verdict, figure

NEXT_STEPS = {
    "accept": "release it where the environment serves: `titlebout release {model} --env …`",
    "reject": "nothing was changed; the {opponent} stays. "
    "Read the reason, fix the model or the data, train again",
    "inconclusive": "nothing was changed; the {opponent} stays. "
    "Wait for more rows, or release with --override and a reason",
}

WARNINGS_FIRST = "read the warnings; if they are harmless, "


def explain(verdict: Verdict) -> str:
    """Return the models, the rows, the figures, the reasons and the next step, line by line."""
    opponent = verdict.opponent.capitalize()
    digest = (verdict.opponent_digest or "(not found)")[:12]
    lines = [
        f"{verdict.verdict.upper()}: {verdict.model}, "
        f"Challenger {verdict.challenger_digest[:12]} against the {opponent} {digest}"
    ]
    if verdict.primary is not None:
        rows, method = verdict.primary.rows, verdict.primary.method
        lines.append(f"  on     {rows:,} holdout rows of dataset {verdict.dataset[:12]} ({method})")
        lines += [_figures(comparison) for comparison in (verdict.primary, *verdict.guardrails)]
    if verdict.unseen is not None:
        lines.append(f"  proved {verdict.unseen}")
    lines += [f"  why    {reason}" for reason in verdict.reasons]
    lines += [f"  warning {warning}" for warning in verdict.warnings]
    first = WARNINGS_FIRST if verdict.verdict == "accept" and verdict.warnings else ""
    next_step = NEXT_STEPS[verdict.verdict].format(model=verdict.model, opponent=opponent)
    lines.append(f"  next   {first}{next_step}")
    return "\n".join(lines)


def _figures(comparison: Comparison) -> str:
    challenger, opponent = figure(comparison.challenger), figure(comparison.opponent)
    return (
        f"  {comparison.metric:<18} Challenger {challenger}   opponent {opponent}   "
        f"{comparison.outcome}"
    )
