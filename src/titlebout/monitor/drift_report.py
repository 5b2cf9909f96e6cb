"""Build the drift report on what was served.

It answers two questions. Does the Champion get data like that it was trained on? Does it still
answer as well as on the holdout?
"""

import logging
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from titlebout.monitor.drift_page import write_html
from titlebout.monitor.drifts import DriftFindings, find_drifts
from titlebout.monitor.performance import LEAST_LABELLED_ROWS, find_performance
from titlebout.monitor.reference import Reference, load_reference
from titlebout.monitor.served_rows import Span, plausible, read_labels, read_served
from titlebout.registry import Registry
from titlebout.spec import (
    DataError,
    Drift,
    DriftReport,
    Performance,
    Release,
    figure,
    load_environment,
    load_model_spec,
)
from titlebout.storage import Storage, layout, open_storage

log = logging.getLogger(__name__)

# Of a report: a team that looks daily gets a false alarm about three times a year.
FALSE_ALARM_RATE = 0.01
PERFORMANCE_FALSE_ALARM_RATE = 0.01  # counted apart, since labels often come later or never
WINDOW_DAYS = 30  # long enough for four of every weekday, short enough to see a summer


class _Window(NamedTuple):
    """Hold the Champion's rows by the time of their events, and how many were left out.

    Those have an event time that cannot be true.
    """

    rows: pd.DataFrame
    left_out: int

    @property
    def times(self) -> tuple[str, str] | None:
        return (
            (self.rows["time"].min().isoformat(), self.rows["time"].max().isoformat())
            if len(self.rows)
            else None
        )

    @property
    def days(self) -> int:
        return int(self.rows["time"].dt.date.nunique()) if len(self.rows) else 0

    @property
    def releases(self) -> tuple[str, ...]:
        return tuple(sorted(self.rows["release"].unique())) if len(self.rows) else ()


def watch(
    project: Path,
    model: str,
    environment: str,
    *,
    since: str | None = None,
    until: str | None = None,
) -> DriftReport:
    """Test the Champion's predictions of the window. Return the report.

    `since` and `until` are ISO 8601; the default is the last 30 days up to the newest prediction.
    The report is kept in storage (`report_address` returns where its page is) and in the Champion's
    run. Whether to retrain is the caller's decision. Raise DataError if there is no Champion.
    """
    declared, spec = load_environment(project, environment), load_model_spec(project, model)
    registry, storage = Registry.connect(project, declared), open_storage(project, declared.storage)
    reference = load_reference(registry, storage, model)
    window = _window(storage, reference, since=since, until=until)
    found = _drifts(reference, window, seed=spec.seed)
    performance, without = _performance(
        storage, reference, window, metric=spec.metric, seed=spec.seed
    )
    reasons = _reasons(found.drifts, performance)
    cannot_tell = (*found.cannot_tell, *_blind(performance))
    report = DriftReport(
        model=model,
        releases=window.releases,
        model_digest=reference.champion.digest,
        dataset=reference.dataset.digest,
        window=window.times,
        rows=len(window.rows),
        left_out=window.left_out,
        days=window.days,
        false_alarm_rate=FALSE_ALARM_RATE,
        performance_false_alarm_rate=PERFORMANCE_FALSE_ALARM_RATE,
        seed=spec.seed,
        drifts=found.drifts,
        performance=performance,
        without_performance=without,
        decision="drift" if reasons else "cannot tell" if cannot_tell else "none",
        reasons=reasons,
        cannot_tell=cannot_tell,
    )
    _keep(report, storage, registry, reference)
    log.info("monitored %s: %s", report.model, report.decision)
    return report


def report_address(project: Path, environment: str, report: DriftReport) -> str:
    """Return the address of the report's page."""
    return open_storage(project, load_environment(project, environment).storage).address(
        *layout.drift_page(report.model, report.digest)
    )


def _window(
    storage: Storage, reference: Reference, *, since: str | None, until: str | None
) -> _Window:
    """Return the rows that the Champion's model answered.

    Another release of the same model (another threshold) counts too.
    """
    span = (
        None
        if since is None and until is None
        else Span(since=since or "0001-01-03", until=until or "9999-12-31T23:59:59.999999")
    )
    rows = read_served(storage, reference.contract.model, span)
    if not len(rows):
        return _Window(rows, 0)
    rows = rows[rows["release"].isin(_releases_of(storage, reference, rows))]
    can_be = plausible(rows)
    kept = rows[can_be]
    if since is None and len(kept):
        kept = kept[kept["time"] > kept["time"].max() - timedelta(days=WINDOW_DAYS)]
    first = kept["arrived"].min() if len(kept) else rows["arrived"].min()
    return _Window(kept.reset_index(drop=True), int((~can_be & (rows["arrived"] >= first)).sum()))


def _releases_of(storage: Storage, reference: Reference, rows: pd.DataFrame) -> list[str]:
    releases = [str(release) for release in rows["release"].unique()]
    records = {
        release: storage.read_record(Release, *layout.release(release), digest=release)
        for release in releases
    }
    return [
        release
        for release, record in records.items()
        if record.model_digest == reference.champion.digest
    ]


def _drifts(reference: Reference, window: _Window, *, seed: int) -> DriftFindings:
    if not len(window.rows):
        reason = (
            "every test: there are no predictions of the Champion: wait for traffic, "
            "or give another window"
        )
        return DriftFindings((), (reason,))
    return find_drifts(reference, window.rows, days=window.days, rate=FALSE_ALARM_RATE, seed=seed)


def _performance(
    storage: Storage, reference: Reference, window: _Window, *, metric: str, seed: int
) -> tuple[Performance | None, str | None]:
    """Return the performance, or why there is none."""
    if not len(window.rows):
        return None, "there are no predictions"
    labels = read_labels(storage, reference.contract.model).set_index("request_id")["label"]
    truth = window.rows["request_id"].map(labels)
    labelled = truth.notna()
    if (count := int(labelled.sum())) < LEAST_LABELLED_ROWS:
        return (
            None,
            f"{count} of {len(window.rows)} rows have a label, "
            f"and {LEAST_LABELLED_ROWS} are needed",
        )
    rows, truth = window.rows[labelled], truth[labelled]
    try:
        return find_performance(
            reference, rows, truth, metric=metric, rate=PERFORMANCE_FALSE_ALARM_RATE, seed=seed
        ), None
    except DataError as error:
        return None, f"expected {error.expected}; found {error.found}"


def _reasons(drifts: tuple[Drift, ...], performance: Performance | None) -> tuple[str, ...]:
    drifted = [drift for drift in drifts if drift.drifted]
    reasons = [
        "the predictions drifted"
        if drift.kind == "prediction"
        else f"column {drift.name!r} drifted"
        for drift in drifted
    ]
    if performance is not None and performance.drifted:
        reasons.append(f"{performance.metric} got worse by {figure(performance.loss)}")
    return tuple(reasons)


def _blind(performance: Performance | None) -> tuple[str, ...]:
    if performance is None or performance.can_tell or performance.drifted:
        return ()
    return (
        f"{performance.metric}: on {performance.rows:,} labelled rows "
        "not even a useless model would be found: wait for more labels",
    )


def _keep(report: DriftReport, storage: Storage, registry: Registry, reference: Reference) -> None:
    with tempfile.TemporaryDirectory(prefix="titlebout-drift-") as work:
        page, record = Path(work) / f"{report.digest}.html", Path(work) / f"{report.digest}.json"
        page.write_text(write_html(report))
        record.write_text(report.canonical_json())
        storage.write(page.read_bytes(), *layout.drift_page(report.model, report.digest))
        storage.write(record.read_bytes(), *layout.drift_report(report.model, report.digest))
        for path in (page, record):
            registry.log_file(reference.champion.run_id, path, layout.DRIFT)
