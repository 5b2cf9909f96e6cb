"""Show a team's three namespaces: what is installed and ready, and how much quota is used."""

from pathlib import Path
from typing import Any

from titlebout.spec import Record
from titlebout.team.create_namespace import REMOVED
from titlebout.team.team_namespace import TeamNamespace, open_team_namespaces

CHARTS = ("team", "mlflow", "registrar")
QUOTA = "team"  # the ResourceQuota's name


class Namespace(Record):
    """Hold the state of one namespace.

    `charts` and `ready` are by name. `used` says "used of allowed" by resource. It is empty without
    a quota.
    """

    namespace: str
    state: str
    charts: dict[str, str]
    ready: dict[str, str]
    used: dict[str, str]
    slots: tuple[str, ...]


def team_status(project: Path, name: str) -> list[Namespace]:
    """Return dev, staging and prod. The state of a namespace that does not exist is `missing`."""
    return [_status_of(team_namespace) for team_namespace in open_team_namespaces(project, name)]


def _status_of(team_namespace: TeamNamespace) -> Namespace:
    found = team_namespace.api.find(
        team_namespace.api.core.read_namespace, team_namespace.namespace
    )
    if found is None:
        return Namespace(
            namespace=team_namespace.namespace,
            state="missing",
            charts={},
            ready={},
            used={},
            slots=(),
        )
    removed = (found.metadata.annotations or {}).get(REMOVED)
    releases = team_namespace.helm.releases(namespace=team_namespace.namespace)
    return Namespace(
        namespace=team_namespace.namespace,
        state=f"removed {removed}" if removed else str(found.status.phase).lower(),
        charts={name: _chart_state(team_namespace, name) for name in CHARTS if name in releases},
        ready=_ready_replicas(team_namespace),
        used=_used_quota(team_namespace),
        slots=tuple(sorted(set(releases) - set(CHARTS))),
    )


def _chart_state(team_namespace: TeamNamespace, release: str) -> str:
    status = team_namespace.helm.status(release, namespace=team_namespace.namespace)
    return str(status["info"]["status"]) if status else "gone"


def _ready_replicas(team_namespace: TeamNamespace) -> dict[str, str]:
    apps = team_namespace.api.apps
    servers = {
        "database": apps.read_namespaced_stateful_set,
        "storage": apps.read_namespaced_stateful_set,
        "mlflow": apps.read_namespaced_deployment,
        "registrar": apps.read_namespaced_deployment,
    }
    found = {
        name: team_namespace.api.find(read, name, team_namespace.namespace)
        for name, read in servers.items()
    }
    return {
        name: f"{server.status.ready_replicas or 0}/{server.spec.replicas}"
        for name, server in found.items()
        if server is not None
    }


def _used_quota(team_namespace: TeamNamespace) -> dict[str, str]:
    quota: Any = team_namespace.api.find(
        team_namespace.api.core.read_namespaced_resource_quota, QUOTA, team_namespace.namespace
    )
    if quota is None or not quota.status.hard:
        return {}
    return {
        name: f"{(quota.status.used or {}).get(name, '0')} of {most}"
        for name, most in sorted(quota.status.hard.items())
    }
