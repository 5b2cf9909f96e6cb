"""Bring a team's three namespaces to what its request says; run again, or after being killed halfway, it ends the same."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from titlebout.cluster.job import end_failed_jobs
from titlebout.spec import ClusterError, Record, Team, load_team
from titlebout.team.base import APPLY, missing_base
from titlebout.team.caveats import caveats
from titlebout.team.charts import (
    READER_SECRET,
    ChartRelease,
    Values,
    mlflow_chart,
    reader_endpoint,
    registrar_chart,
    runs_storage,
    team_chart,
)
from titlebout.team.namespace import bring_namespace, is_there
from titlebout.team.place import Place, open_places

SETUP_JOB = {"app.kubernetes.io/name": "mlflow"}  # helm/mlflow has no other
READER_SECONDS = 120.0
POLL_SECONDS = 0.25
Say = Callable[[str], None]


class Step(Record):
    """How long one part of one namespace took."""

    namespace: str
    part: str
    seconds: float


def apply_team(project: Path, name: str, *, progress: Say) -> list[Step]:
    """All three environments at the same time; raises the first of what went wrong, after the others came to their end.

    Nothing is changed if a namespace is not this team's (NotAllowed).
    """
    team = load_team(project, name)
    places = {place.environment.name: place for place in open_places(project, name)}
    for place in places.values():
        require_base(place)
        is_there(place)
    for caveat in caveats(**places):
        progress(f"WARNING: {caveat}")
    with ThreadPoolExecutor(len(places)) as workers:
        prod = workers.submit(_bring, places["prod"], team, None, progress)
        staging = workers.submit(_bring, places["staging"], team, None, progress)
        dev = workers.submit(_bring, places["dev"], team, lambda: prod_reader(places["prod"], prod), progress)
    return [step for done in (dev, staging, prod) for step in done.result()]


def require_base(place: Place) -> None:
    """Raises ClusterError in a cluster without k8s/base."""
    if missing := missing_base(place.api):
        raise ClusterError(
            place.api.name,
            expected="the platform's base: roles and priority classes",
            found=f"no {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else ""),
            next_step=APPLY,
        )


def prod_reader(prod: Place, bringing: "Future[list[Step]] | None" = None) -> Values | None:
    """The read-only credential of prod's store, as soon as it exists; None if prod's store is not the chart's own, or is not there yet."""
    if not runs_storage(prod):
        return None
    deadline = time.monotonic() + READER_SECONDS
    while (found := prod.api.secret(prod.namespace, READER_SECRET)) is None:
        if bringing is None or bringing.done() or time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)
    return {
        "accessKey": found["AWS_ACCESS_KEY_ID"],
        "secretKey": found["AWS_SECRET_ACCESS_KEY"],
        "endpoint": reader_endpoint(prod),
    }


def _bring(place: Place, team: Team, reader: Callable[[], Values | None] | None, progress: Say) -> list[Step]:
    steps = list[Step]()

    def timed(part: str, do: Callable[[], None]) -> None:
        began = time.monotonic()
        do()
        steps.append(Step(namespace=place.namespace, part=part, seconds=round(time.monotonic() - began, 2)))
        progress(f"{place.namespace}: {part}")

    timed("namespace", lambda: bring_namespace(place, team))
    timed("team", lambda: _install(place, team_chart(place, team)))
    timed("mlflow", lambda: _install_mlflow(place, prod_reader=reader() if reader else None))
    if place.environment.serving is not None:
        timed("registrar", lambda: _install(place, registrar_chart(place)))
    return steps


def _install_mlflow(place: Place, *, prod_reader: Values | None) -> None:
    """Setup that failed is tried again: its Job is named after the values, and what went wrong may have been mended elsewhere."""
    end_failed_jobs(place.api, place.namespace, SETUP_JOB)
    _install(place, mlflow_chart(place, prod_reader=prod_reader))


def _install(place: Place, release: ChartRelease) -> None:
    place.helm.upgrade(release.name, release.chart, namespace=place.namespace, values=release.values, wait_seconds=release.wait_seconds)
