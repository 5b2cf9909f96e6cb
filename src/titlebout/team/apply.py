"""Bring a team's three namespaces to what its file says.

It ends the same when it is run again, also after it was killed halfway.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from titlebout.cluster import end_failed_jobs
from titlebout.spec import ClusterError, Progress, Record, Team, load_team
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
from titlebout.team.create_namespace import create_namespace, namespace_exists
from titlebout.team.team_lock import team_lock
from titlebout.team.team_namespace import TeamNamespace, open_team_namespaces
from titlebout.waiting import wait_until

log = logging.getLogger(__name__)

SETUP_JOB = {"app.kubernetes.io/name": "mlflow"}  # helm/mlflow has no other Job
READER_SECONDS = 120.0
POLL_SECONDS = 0.25


class Step(Record):
    """Hold how long one part of one namespace took."""

    namespace: str
    part: str
    seconds: float


def apply_team(project: Path, name: str, *, by: str, progress: Progress) -> list[Step]:
    """Apply all three environments at the same time, and return the steps.

    The other environments come to their end before the first error is raised. Nothing is changed
    if a namespace is not this team's (NotAllowed) or is being deleted (Busy). Only the namespaces
    themselves are changed if somebody else holds the lock (Busy).
    """
    team = load_team(project, name)
    team_namespaces = {
        team_namespace.environment.name: team_namespace
        for team_namespace in open_team_namespaces(project, name)
    }
    for team_namespace in team_namespaces.values():
        require_base(team_namespace)
        namespace_exists(team_namespace)
    for caveat in caveats(**team_namespaces):
        progress(f"WARNING: {caveat}")
    namespace_steps = [
        _timed(
            team_namespace, "namespace", partial(create_namespace, team_namespace, team), progress
        )
        for team_namespace in team_namespaces.values()
    ]
    with (
        team_lock(team_namespaces.values(), by=by) as lock_checks,
        ThreadPoolExecutor(len(team_namespaces)) as workers,
    ):

        def apply_one(
            team_namespace: TeamNamespace, reader: Callable[[], Values | None] | None = None
        ) -> list[Step]:
            return _apply_charts(
                team_namespace,
                team,
                reader,
                check_lock=lock_checks[team_namespace.namespace],
                progress=progress,
            )

        prod = workers.submit(apply_one, team_namespaces["prod"])
        staging = workers.submit(apply_one, team_namespaces["staging"])
        dev = workers.submit(
            apply_one, team_namespaces["dev"], lambda: prod_reader(team_namespaces["prod"], prod)
        )
    return [*namespace_steps, *(step for done in (dev, staging, prod) for step in done.result())]


def require_base(team_namespace: TeamNamespace) -> None:
    """Raise ClusterError if the cluster lacks the roles and priority classes of k8s/base."""
    if missing := missing_base(team_namespace.api):
        raise ClusterError(
            team_namespace.api.name,
            expected="the platform's base: roles and priority classes",
            found=f"no {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else ""),
            next_step=APPLY,
        )


def prod_reader(
    prod: TeamNamespace, prod_apply: "Future[list[Step]] | None" = None
) -> Values | None:
    """Return the read-only credential of prod's store, as soon as it exists.

    Return None if prod's store is not the chart's own, or is not there yet. `prod_apply` is the
    apply of prod that makes it.
    """
    if not runs_storage(prod):
        return None
    found = wait_until(
        lambda: prod.api.secret(prod.namespace, READER_SECRET),
        lambda found: found is not None or prod_apply is None or prod_apply.done(),
        seconds=READER_SECONDS,
        poll_seconds=POLL_SECONDS,
    )
    if found is None:
        return None
    return {
        "accessKey": found["AWS_ACCESS_KEY_ID"],
        "secretKey": found["AWS_SECRET_ACCESS_KEY"],
        "endpoint": reader_endpoint(prod),
    }


def _apply_charts(
    team_namespace: TeamNamespace,
    team: Team,
    reader: Callable[[], Values | None] | None,
    *,
    check_lock: Callable[[], None],
    progress: Progress,
) -> list[Step]:
    parts: dict[str, Callable[[], None]] = {
        "team": lambda: _install(team_namespace, team_chart(team_namespace, team)),
        "mlflow": lambda: _install_mlflow(team_namespace, prod_reader=reader() if reader else None),
    }
    if team_namespace.environment.serving is not None:
        parts["registrar"] = lambda: _install(team_namespace, registrar_chart(team_namespace))
    steps = list[Step]()
    for part, do in parts.items():
        check_lock()
        steps.append(_timed(team_namespace, part, do, progress))
    return steps


def _timed(
    team_namespace: TeamNamespace, part: str, do: Callable[[], None], progress: Progress
) -> Step:
    began = time.monotonic()
    do()
    progress(f"{team_namespace.namespace}: {part}")
    return Step(
        namespace=team_namespace.namespace, part=part, seconds=round(time.monotonic() - began, 2)
    )


def _install_mlflow(team_namespace: TeamNamespace, *, prod_reader: Values | None) -> None:
    """Install the chart, and retry a setup that failed.

    The setup's Job is named after the values, and what went wrong may have been fixed elsewhere.
    """
    end_failed_jobs(team_namespace.api, team_namespace.namespace, SETUP_JOB)
    _install(team_namespace, mlflow_chart(team_namespace, prod_reader=prod_reader))


def _install(team_namespace: TeamNamespace, release: ChartRelease) -> None:
    log.info("install chart %s in %s", release.name, team_namespace.namespace)
    team_namespace.helm.upgrade(
        release.name,
        release.chart,
        namespace=team_namespace.namespace,
        values=release.values,
        wait_seconds=release.wait_seconds,
    )
