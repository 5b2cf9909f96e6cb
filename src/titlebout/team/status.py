"""A team's three namespaces at a glance: what is installed, whether it is ready, how much of the quota is used."""

from pathlib import Path
from typing import Any

from titlebout.spec import Record
from titlebout.team.namespace import REMOVED
from titlebout.team.place import Place, open_places

CHARTS = ("team", "mlflow", "registrar")
QUOTA = "team"  # the ResourceQuota's name


class Namespace(Record):
    """`charts` and `ready` by name; `used` says `used of allowed` by resource, empty without a quota."""

    namespace: str
    state: str
    charts: dict[str, str]
    ready: dict[str, str]
    used: dict[str, str]
    slots: tuple[str, ...]


def team_status(project: Path, name: str) -> list[Namespace]:
    """dev, staging, prod; a namespace that is not there says so."""
    return [_look(place) for place in open_places(project, name)]


def _look(place: Place) -> Namespace:
    found = place.api.find(place.api.core.read_namespace, place.namespace)
    if found is None:
        return Namespace(namespace=place.namespace, state="missing", charts={}, ready={}, used={}, slots=())
    removed = (found.metadata.annotations or {}).get(REMOVED)
    releases = place.helm.releases(namespace=place.namespace)
    return Namespace(
        namespace=place.namespace,
        state=f"removed {removed}" if removed else str(found.status.phase).lower(),
        charts={name: _state(place, name) for name in CHARTS if name in releases},
        ready=_ready(place),
        used=_used(place),
        slots=tuple(sorted(set(releases) - set(CHARTS))),
    )


def _state(place: Place, release: str) -> str:
    status = place.helm.status(release, namespace=place.namespace)
    return str(status["info"]["status"]) if status else "gone"


def _ready(place: Place) -> dict[str, str]:
    apps = place.api.apps
    servers = {
        "database": apps.read_namespaced_stateful_set,
        "storage": apps.read_namespaced_stateful_set,
        "mlflow": apps.read_namespaced_deployment,
        "registrar": apps.read_namespaced_deployment,
    }
    found = {name: place.api.find(read, name, place.namespace) for name, read in servers.items()}
    return {name: f"{server.status.ready_replicas or 0}/{server.spec.replicas}" for name, server in found.items() if server is not None}


def _used(place: Place) -> dict[str, str]:
    quota: Any = place.api.find(place.api.core.read_namespaced_resource_quota, QUOTA, place.namespace)
    if quota is None or not quota.status.hard:
        return {}
    return {name: f"{(quota.status.used or {}).get(name, '0')} of {most}" for name, most in sorted(quota.status.hard.items())}
