"""Explain a drift report in a few lines."""

from titlebout.spec import DriftReport, Estimate, Performance, figure, from_to

SHOWN_COLUMNS = 6  # the furthest beyond their threshold; the page shows all
HEADLINES = {"drift": "DRIFT", "none": "NO DRIFT", "cannot tell": "CANNOT TELL"}
NEXT = {
    "drift": "train again: --retrain, or `titlebout train`",
    "none": "nothing to do",
    "cannot tell": "get what is needed; until then, this does not mean that nothing drifted",
}


def explain(report: DriftReport) -> str:
    """Return the report in words: the window, what drifted, how much may be chance, what is next.

    Tests that could not tell are named, too.
    """
    columns = sum(drift.kind == "column" for drift in report.drifts)
    lines = [
        f"{HEADLINES[report.decision]}: {report.model}, {report.rows:,} predictions on "
        f"{report.days} days{_window(report)}",
        f"  against dataset {report.dataset[:12]}; without drift, {report.false_alarm_rate:.0%} of "
        f"such reports name one of the {columns} columns or the predictions",
    ]
    if report.left_out:
        lines.append(
            f"  {report.left_out:,} more were left out: their event time cannot be true "
            "(docs/monitoring.md)"
        )
    drifted = [drift for drift in report.drifts if drift.drifted]
    lines += [
        f"  {drift.name:<20} distance {drift.distance:.3f}, drift from {drift.threshold:.3f}"
        for drift in drifted[:SHOWN_COLUMNS]
    ]
    if len(drifted) > SHOWN_COLUMNS:
        lines.append(f"  and {len(drifted) - SHOWN_COLUMNS} more")
    lines.append(f"  {_performance(report.performance, report)}")
    lines += [f"  cannot tell: {reason}" for reason in report.cannot_tell]
    lines.append(f"  next   {NEXT[report.decision]}")
    return "\n".join(lines)


def _window(report: DriftReport) -> str:
    return "" if report.window is None else f", {report.window[0][:16]} to {report.window[1][:16]}"


def _performance(found: Performance | None, report: DriftReport) -> str:
    if found is None:
        return f"performance unknown: {report.without_performance}"
    finding = "worse" if found.drifted else "not shown to be worse"
    return (
        f"{found.metric} {figure(found.window.value)}{_interval(found.window)} "
        f"on {found.rows:,} labelled rows, {figure(found.reference)} on the holdout: {finding} "
        f"(loss {figure(found.loss)}, alarm from {figure(found.threshold)}; "
        f"false alarms {report.performance_false_alarm_rate:.0%})"
    )


def _interval(found: Estimate) -> str:
    return (
        ""
        if found.low is None or found.high is None
        else f" (95 %: {from_to(found.low, found.high)})"
    )
