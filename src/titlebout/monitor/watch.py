"""The watch over what is served: is the Champion still asked what it was trained on, and does it still answer as well?"""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from titlebout.monitor.drifts import find_drifts
from titlebout.monitor.html import write_html
from titlebout.monitor.performance import LEAST_LABELLED_ROWS, find_performance
from titlebout.monitor.reference import Reference, reference_of
from titlebout.monitor.table import Span, read_labels, read_served, with_labels
from titlebout.registry import Registry
from titlebout.spec import DataError, DriftReport, Performance, Release, load_environment, load_model_spec
from titlebout.storage import Storage, open_storage

FALSE_ALARM_RATE = 0.01  # of a report: a team that looks daily is called for nothing about three times a year
PERFORMANCE_FALSE_ALARM_RATE = 0.01  # counted apart, since labels often come later or never
WINDOW_DAYS = 30  # long enough to hold every weekday four times, short enough to see a summer
LEAST_ROWS = 100  # a window with fewer has hardly ten rows in a bin
FOLDER = "drift"


class _Window(NamedTuple):
    rows: pd.DataFrame
    days: int

    @property
    def times(self) -> tuple[str, str]:
        return self.rows["time"].min().isoformat(), self.rows["time"].max().isoformat()

    @property
    def releases(self) -> tuple[str, ...]:
        return tuple(sorted(self.rows["release"].unique()))


def watch(project: Path, model: str, environment: str, *, since: str | None = None, until: str | None = None) -> DriftReport:
    """Test the Champion's predictions of the window, by default the last 30 days up to the newest; whether to retrain is the caller's.

    `since` and `until` are ISO 8601. The report is kept in storage (`drift/<model>/<digest>.json` and `.html`) and in the Champion's run.
    Raises DataError if there is no Champion or there are too few rows to tell.
    """
    place, spec = load_environment(project, environment), load_model_spec(project, model)
    registry, storage = Registry.connect(project, place), open_storage(project, place.storage)
    reference = reference_of(registry, storage, model)
    window = _window(storage, reference, since=since, until=until)
    drifts = find_drifts(reference, window.rows, days=window.days, rate=FALSE_ALARM_RATE, seed=spec.seed)
    performance, without = _performance(storage, reference, window, metric=spec.metric, seed=spec.seed)
    reasons = _reasons([drift.name for drift in drifts if drift.drifted], performance)
    report = DriftReport(
        model=model,
        releases=window.releases,
        model_digest=reference.champion.digest,
        dataset=reference.dataset.digest,
        window=window.times,
        rows=len(window.rows),
        days=window.days,
        false_alarm_rate=FALSE_ALARM_RATE,
        performance_false_alarm_rate=PERFORMANCE_FALSE_ALARM_RATE,
        seed=spec.seed,
        drifts=drifts,
        performance=performance,
        without_performance=without,
        decision="drift" if reasons else "none",
        reasons=reasons,
    )
    _keep(report, storage, registry, reference)
    return report


def _window(storage: Storage, reference: Reference, *, since: str | None, until: str | None) -> _Window:
    """Rows that the Champion's model answered; another release of the same model (another threshold) is the same model."""
    model = reference.contract.model
    rows = read_served(storage, model, Span(since=since or "0001-01-02", until=until or "9999-12-30"))
    if len(rows):
        rows = rows[rows["release"].isin(_releases_of(storage, reference, rows))]
    if since is None and len(rows):
        rows = rows[rows["time"] > rows["time"].max() - timedelta(days=WINDOW_DAYS)]
    if len(rows) < LEAST_ROWS:
        raise DataError(
            f"the window of {model}",
            expected=f"at least {LEAST_ROWS} predictions of the Champion",
            found=str(len(rows)),
            next_step="wait for more traffic, or name a longer window",
        )
    return _Window(rows.reset_index(drop=True), days=rows["time"].dt.date.nunique())


def _releases_of(storage: Storage, reference: Reference, rows: pd.DataFrame) -> list[str]:
    releases = [str(release) for release in rows["release"].unique()]
    records = {release: storage.read_record(Release, "releases", f"{release}.json", digest=release) for release in releases}
    return [release for release, record in records.items() if record.model_digest == reference.champion.digest]


def _performance(
    storage: Storage, reference: Reference, window: _Window, *, metric: str, seed: int
) -> tuple[Performance | None, str | None]:
    """The performance, or why there is none."""
    labelled = with_labels(window.rows, read_labels(storage, reference.contract.model))
    if len(labelled) < LEAST_LABELLED_ROWS:
        return None, f"{len(labelled)} of {len(window.rows)} rows have a label, and {LEAST_LABELLED_ROWS} are needed"
    days = labelled["time"].dt.date.nunique()
    try:
        return find_performance(reference, labelled, metric=metric, days=days, rate=PERFORMANCE_FALSE_ALARM_RATE, seed=seed), None
    except DataError as error:
        return None, f"expected {error.expected}; found {error.found}"


def _reasons(drifted: list[str], performance: Performance | None) -> tuple[str, ...]:
    reasons = [f"{name} drifted" for name in drifted]
    if performance is not None and performance.drifted:
        reasons.append(f"{performance.metric} got worse by {performance.loss:.4g}")
    return tuple(reasons)


def _keep(report: DriftReport, storage: Storage, registry: Registry, reference: Reference) -> None:
    with tempfile.TemporaryDirectory(prefix="titlebout-drift-") as work:
        page, record = Path(work) / f"{report.digest}.html", Path(work) / f"{report.digest}.json"
        page.write_text(write_html(report))
        record.write_text(report.canonical_json())
        for path in (page, record):
            storage.write(path.read_bytes(), FOLDER, report.model, path.name)
            registry.log_file(reference.champion.run_id, path, FOLDER)
