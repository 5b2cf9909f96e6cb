"""Run the stages of the tour in order; each calls what the command line calls."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titlebout import launch, monitor, registry
from titlebout.data import read_source
from titlebout.demo import summer_traffic
from titlebout.demo.memory import MemoryWatch
from titlebout.loadgen import BackgroundLoad, Load, TimedAnswer
from titlebout.release import Outcome, release, rollback
from titlebout.spec import (
    VERDICT_FILE,
    DriftReport,
    Environment,
    ModelSpec,
    Progress,
    RolloutError,
    Verdict,
    load_environment,
    load_model_spec,
)
from titlebout.storage import state_home

if TYPE_CHECKING:
    import pandas as pd

MODEL = "flights"
USER = "demo"
ENVIRONMENTS = ("dev", "staging", "prod")
DEV_SEES_UNTIL = "2013-05-01"
RELEASE_1_SEES_UNTIL = "2013-06-01"
SUMMER_ENDS = "2013-08-01"
# With the rows before August alone the gate is inconclusive. The Challenger leads, on 40 days of
# holdout, by too little to be sure.
RELEASE_2_SEES_UNTIL = "2013-09-01"
LOAD_PER_SECOND = 100.0
LONGEST_LOAD_SECONDS = 600.0  # bounds the load should a stage hang
LOAD_ROWS = 500
SECONDS_AROUND_ROLLBACK = 2.0  # of load before and after, so that the plot shows both releases


@dataclass
class Tour:
    """Collect what happened: everything that the report shows."""

    project: Path
    progress: Progress
    stages: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[tuple[str, Verdict]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    loads: dict[str, list[TimedAnswer]] = field(default_factory=dict)
    scored_rows: int = 0
    drift: DriftReport | None = None
    rollback: Outcome | None = None
    rollback_began: float = 0.0
    memory: list[tuple[float, int]] = field(default_factory=list)

    @property
    def spec(self) -> ModelSpec:
        """Return the flights model's model.yaml."""
        return load_model_spec(self.project, MODEL)

    @property
    def example_row(self) -> dict[str, Any]:
        """Return a flight of June, as a client sends it."""
        return summer_traffic.as_clients_send(
            summer_traffic.scheduled_between(self.flights, RELEASE_1_SEES_UNTIL, "2013-06-02").head(
                1
            ),
            self.spec,
        )[0]

    @cached_property
    def flights(self) -> "pd.DataFrame":
        """Return the whole source, read once."""
        return read_source(self.project, self.spec)

    def environment(self, name: str) -> Environment:
        """Return the environment of this name."""
        return load_environment(self.project, name)

    @contextlib.contextmanager
    def stage(self, name: str, description: str) -> Iterator[None]:
        """Print the stage's name, and keep when it began and how many seconds it took."""
        self.progress(f"── {name}: {description}")
        began = time.time()
        yield
        self.stages.append({"name": name, "began": began, "seconds": round(time.time() - began, 2)})


def run_tour(project: Path, *, progress: Progress) -> Tour:
    """Run every stage. Return what happened.

    Raise the first error of any stage; what runs stays up.
    """
    tour = Tour(project, progress)
    with MemoryWatch(state_home(project)) as memory:
        _servers_and_dev(tour)
        _staging(tour)
        _prod(tour)
        _summer(tour)
        _retraining(tour)
        _second_release(tour)
        _rollback(tour)
    tour.memory = memory.samples
    return tour


def _servers_and_dev(tour: Tour) -> None:
    """Start dev's server and train there, while the other servers start.

    The flights are read while dev's server starts.
    """
    with ThreadPoolExecutor(1) as background:
        with tour.stage("servers", "dev's MLflow server and its accounts"):
            own = background.submit(_start_servers, tour, "dev")
            tour.progress(f"{len(tour.flights):,} flights of 2013")
            own.result()
        others = background.submit(_start_servers, tour, "staging", "prod")
        with tour.stage(
            "dev",
            "train and tune on the rows before May, while the servers of staging and prod start",
        ):
            _train(tour, "dev", as_of=DEV_SEES_UNTIL)
        others.result()


def _start_servers(tour: Tour, *names: str) -> None:
    environments = [tour.environment(name) for name in names]
    registry.start_servers(tour.project, environments, progress=tour.progress)
    registry.prepare_access(tour.project, environments, progress=tour.progress)


def _staging(tour: Tour) -> None:
    with tour.stage("staging", "the same pipeline on a tenth of the rows, served and load-tested"):
        _train(tour, "staging", as_of=RELEASE_1_SEES_UNTIL)
        _release(tour, "staging")


def _prod(tour: Tour) -> None:
    with tour.stage("prod", "train on the rows before June; release 1"):
        _train(tour, "prod", as_of=RELEASE_1_SEES_UNTIL)
        _release(tour, "prod")


def _summer(tour: Tour) -> None:
    """Send June and July through the live endpoint, then the labels that came weeks later."""
    with tour.stage("summer", "June and July through the live endpoint, labels, drift"):
        rows = summer_traffic.scheduled_between(tour.flights, RELEASE_1_SEES_UNTIL, SUMMER_ENDS)
        tour.scored_rows = summer_traffic.score_day_by_day(
            _endpoint(tour), rows, tour.spec, progress=tour.progress
        )
        summer_traffic.wait_until_written(_endpoint(tour))
        labels = summer_traffic.write_labels(
            rows, tour.spec, state_home(tour.project) / "demo-labels.parquet"
        )
        counts = monitor.label(tour.project, MODEL, "prod", labels, by=USER)
        tour.progress(f"{tour.scored_rows:,} flights scored; labels: {counts}")
        tour.drift = monitor.watch(tour.project, MODEL, "prod")
        tour.progress(monitor.explain(tour.drift))


def _retraining(tour: Tour) -> None:
    """Train again on drift, as `titlebout monitor --retrain` does."""
    with tour.stage("retraining", "drift starts the pipeline, on the rows before September"):
        if tour.drift is None or tour.drift.decision != "drift":
            raise RolloutError(
                "the summer",
                expected="drift, which starts the retraining",
                found="none",
                next_step="read the drift report",
            )
        _train(tour, "prod", as_of=RELEASE_2_SEES_UNTIL)


def _second_release(tour: Tour) -> None:
    with (
        tour.stage("release 2", "tests in the idle slot and the switch, under load"),
        _load(tour, "switch"),
    ):
        _release(tour, "prod")


def _rollback(tour: Tour) -> None:
    with tour.stage("rollback", "back to release 1, under load"), _load(tour, "rollback"):
        time.sleep(SECONDS_AROUND_ROLLBACK)
        tour.rollback_began = time.time()
        tour.rollback = rollback(tour.project, MODEL, "prod", by=USER, reason="the tour shows it")
        tour.progress(tour.rollback.in_words())
        time.sleep(SECONDS_AROUND_ROLLBACK)


def _train(tour: Tour, environment: str, *, as_of: str) -> None:
    from titlebout.gate import explain

    run = launch.run_training(
        tour.project, model=MODEL, environment=environment, as_of=as_of, progress=tour.progress
    )
    verdict = Verdict.from_json(run.outputs["verdict"] / VERDICT_FILE)
    tour.verdicts.append((environment, verdict))
    tour.progress(explain(verdict))


def _release(tour: Tour, environment: str) -> None:
    outcome = release(
        tour.project, MODEL, environment, by=USER, override=None, progress=tour.progress
    )
    tour.outcomes.append(outcome)
    tour.progress(outcome.in_words())


def _endpoint(tour: Tour) -> str:
    return next(
        outcome.endpoint for outcome in reversed(tour.outcomes) if outcome.environment == "prod"
    )


@contextlib.contextmanager
def _load(tour: Tour, name: str) -> Iterator[None]:
    """Send one flight at a time, half of them on connections that clients keep open."""
    rows = summer_traffic.scheduled_between(tour.flights, RELEASE_2_SEES_UNTIL, "2013-10-01").head(
        LOAD_ROWS
    )
    load = Load(
        f"{_endpoint(tour)}/predict",
        summer_traffic.as_clients_send(rows, tour.spec),
        LOAD_PER_SECOND,
        f"{name}-",
    )
    with BackgroundLoad(load, seconds=LONGEST_LOAD_SECONDS):
        yield
    tour.loads[name] = load.answers
