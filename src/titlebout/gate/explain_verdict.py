"""A verdict in a few lines that a person understands at three in the morning."""

from titlebout.spec import Comparison, Verdict, figure

NEXT = {
    "accept": "release it where the environment serves: `titlebout release {model} --env …`",
    "reject": "nothing was changed; the {opponent} stays. Read the reason, mend the model or the data, train again",
    "inconclusive": "nothing was changed; the {opponent} stays. Wait for more rows, or release with --override and a reason",
}

FIRST = "read the warnings; if they are harmless, "


def explain(verdict: Verdict) -> str:
    """Who met whom, on what, with which figures, why, and what next."""
    lines = [
        f"{verdict.verdict.upper()}: {verdict.model}, Challenger {verdict.challenger_digest[:12]} "
        f"against the {verdict.opponent.capitalize()} {(verdict.opponent_digest or '(not found)')[:12]}"
    ]
    if verdict.primary is not None:
        lines.append(
            f"  on     {verdict.primary.rows:,} holdout rows of dataset {verdict.dataset[:12]} ({verdict.primary.method})"
        )
        lines += [_figures(comparison) for comparison in (verdict.primary, *verdict.guardrails)]
    if verdict.unseen is not None:
        lines.append(f"  proved {verdict.unseen}")
    lines += [f"  why    {reason}" for reason in verdict.reasons]
    lines += [f"  warning {warning}" for warning in verdict.warnings]
    first = FIRST if verdict.verdict == "accept" and verdict.warnings else ""
    lines.append(
        f"  next   {first}{NEXT[verdict.verdict].format(model=verdict.model, opponent=verdict.opponent.capitalize())}"
    )
    return "\n".join(lines)


def _figures(comparison: Comparison) -> str:
    challenger, opponent = figure(comparison.challenger), figure(comparison.opponent)
    return f"  {comparison.metric:<18} Challenger {challenger}   opponent {opponent}   {comparison.outcome}"
