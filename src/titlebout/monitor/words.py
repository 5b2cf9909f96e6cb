"""A drift report in a few lines."""

from titlebout.spec import DriftReport, Performance

SHOWN_COLUMNS = 6  # the furthest beyond their threshold; the page shows all


def explain(report: DriftReport) -> str:
    """What was looked at, what drifted, how much that may be chance, and what next."""
    columns = sum(drift.kind == "column" for drift in report.drifts)
    lines = [
        f"{'DRIFT' if report.decision == 'drift' else 'NO DRIFT'}: {report.model}, {report.rows:,} predictions on {report.days} days, "
        f"{report.window[0][:16]} to {report.window[1][:16]}",
        f"  against dataset {report.dataset[:12]}; without drift, {report.false_alarm_rate:.0%} of such reports name one of the "
        f"{columns} columns or the predictions",
    ]
    drifted = [drift for drift in report.drifts if drift.drifted]
    lines += [f"  {drift.name:<20} distance {drift.distance:.3f}, drift from {drift.threshold:.3f}" for drift in drifted[:SHOWN_COLUMNS]]
    if len(drifted) > SHOWN_COLUMNS:
        lines.append(f"  and {len(drifted) - SHOWN_COLUMNS} more")
    lines.append(f"  {_performance(report.performance, report)}")
    lines.append(f"  next   {'train again: --retrain, or `titlebout train`' if report.decision == 'drift' else 'nothing to do'}")
    return "\n".join(lines)


def _performance(found: Performance | None, report: DriftReport) -> str:
    if found is None:
        return f"performance unknown: {report.without_performance}"
    word = "worse" if found.drifted else "not shown to be worse"
    return (
        f"{found.metric} {found.window:.4g} on {found.rows:,} labelled rows, {found.reference:.4g} on the holdout: {word} "
        f"(loss {found.loss:.4g}, from {found.low:.4g} to {found.high:.4g}; false alarms {report.performance_false_alarm_rate:.0%})"
    )
