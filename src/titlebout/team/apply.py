"""Bring a team's three namespaces to what its request says; run again, or after being killed halfway, it ends the same."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from titlebout.cluster.job import end_failed_jobs
from titlebout.spec import ClusterError, Record, Team, load_team
from titlebout.team.alone import alone
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


def apply_team(project: Path, name: str, *, by: str, progress: Say) -> list[Step]:
    """All three environments at the same time; raises the first of what went wrong, after the others came to their end.

    Nothing is changed if a namespace is not this team's (NotAllowed) or is being deleted (Busy); nothing but the namespaces if somebody
    else is at them (Busy).
    """
    team = load_team(project, name)
    places = {place.environment.name: place for place in open_places(project, name)}
    for place in places.values():
        require_base(place)
        is_there(place)
    for caveat in caveats(**places):
        progress(f"WARNING: {caveat}")
    brought = [_timed(place, "namespace", partial(bring_namespace, place, team), progress) for place in places.values()]
    with alone(places.values(), by=by) as ours, ThreadPoolExecutor(len(places)) as workers:

        def bring(place: Place, reader: Callable[[], Values | None] | None = None) -> list[Step]:
            return _bring(place, team, reader, require_alone=ours[place.namespace], progress=progress)

        prod = workers.submit(bring, places["prod"])
        staging = workers.submit(bring, places["staging"])
        dev = workers.submit(bring, places["dev"], lambda: prod_reader(places["prod"], prod))
    return [*brought, *(step for done in (dev, staging, prod) for step in done.result())]


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


def _bring(
    place: Place, team: Team, reader: Callable[[], Values | None] | None, *, require_alone: Callable[[], None], progress: Say
) -> list[Step]:
    parts: dict[str, Callable[[], None]] = {
        "team": lambda: _install(place, team_chart(place, team)),
        "mlflow": lambda: _install_mlflow(place, prod_reader=reader() if reader else None),
    }
    if place.environment.serving is not None:
        parts["registrar"] = lambda: _install(place, registrar_chart(place))
    steps = list[Step]()
    for part, do in parts.items():
        require_alone()
        steps.append(_timed(place, part, do, progress))
    return steps


def _timed(place: Place, part: str, do: Callable[[], None], progress: Say) -> Step:
    began = time.monotonic()
    do()
    progress(f"{place.namespace}: {part}")
    return Step(namespace=place.namespace, part=part, seconds=round(time.monotonic() - began, 2))


def _install_mlflow(place: Place, *, prod_reader: Values | None) -> None:
    """Setup that failed is tried again: its Job is named after the values, and what went wrong may have been mended elsewhere."""
    end_failed_jobs(place.api, place.namespace, SETUP_JOB)
    _install(place, mlflow_chart(place, prod_reader=prod_reader))


def _install(place: Place, release: ChartRelease) -> None:
    place.helm.upgrade(release.name, release.chart, namespace=place.namespace, values=release.values, wait_seconds=release.wait_seconds)
