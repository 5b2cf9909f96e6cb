"""Choose what is installed in a team's namespace: three charts and their values.

The values come from environment, team and images.
"""

from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from titlebout.cluster import merged, platform_values
from titlebout.images import DIGESTS_FILE, noted_image, noted_images
from titlebout.spec import SpecError, Team, object_names
from titlebout.team.team_namespace import TeamNamespace

Values = dict[str, Any]
# It takes 25 s where the images are on the node. The rest is for pulling them, and for a node that
# must be added first.
MLFLOW_SECONDS = 300.0
REGISTRAR_SECONDS = 120.0
# the images of the chart's own parts, by their names in images/digests.json
IMAGES = {"database": "postgres", "storage": "seaweedfs"}
# The Secret in prod. Dev's storage-prod-reader is a copy of it.
READER_SECRET = "storage-reader"  # noqa: S105  a name


@dataclass(frozen=True)
class ChartRelease:
    """Describe a chart to install: its release's name, its values, and how long to wait for it."""

    name: str
    chart: Path
    values: Values
    wait_seconds: float | None


def team_chart(team_namespace: TeamNamespace, team: Team) -> ChartRelease:
    """Return helm/team for this team: groups, quota, network and roles."""
    gateway = team_namespace.cluster.gateway
    quota = team.quota[team_namespace.environment.name]
    values = {
        "team": team.team,
        "environment": team_namespace.environment.name,
        "groups": {role: list(groups) for role, groups in team.groups.items()},
        "quota": {**quota.model_dump(), "cpu": str(quota.cpu)},
        "egress": [flow.model_dump(mode="json") for flow in team.egress],
        "clientNamespaces": list(team.clients),
        "apiServer": _api_server(team_namespace),
        "gatewayNamespaces": [gateway.namespace] if gateway else [],
        "proxyNamespaces": [gateway.proxy_namespace] if gateway else [],
    }
    return _release(team_namespace, "team", values, wait_seconds=None)


def mlflow_chart(team_namespace: TeamNamespace, *, prod_reader: Values | None) -> ChartRelease:
    """Return helm/mlflow for this environment.

    `prod_reader`, in dev, holds accessKey, secretKey and endpoint of prod's object store. Raise
    SpecError if the database or the store has no image.
    """
    noted = noted_images(team_namespace.project)
    values: Values = {
        "image": noted_image(team_namespace.project, "platform"),
        "environment": team_namespace.environment.name,
        "access": dict(team_namespace.environment.access),
        **{part: {"image": noted.get(image, "")} for part, image in IMAGES.items()},
        "reader": team_namespace.environment.name == "prod",
        **({"prodReader": prod_reader} if prod_reader else {}),
    }
    for part, image in own_images(team_namespace).items():
        if not image:
            raise SpecError(
                f"{part}.image of {team_namespace.namespace}",
                expected="an image by digest in "
                f"environments/{team_namespace.environment.name}/mlflow-values.yaml "
                f"or {DIGESTS_FILE}",
                found="neither names one",
                next_step=f"run `make images`, which writes the digests to {DIGESTS_FILE}",
            )
    return _release(team_namespace, "mlflow", values, wait_seconds=MLFLOW_SECONDS)


def registrar_chart(team_namespace: TeamNamespace) -> ChartRelease:
    """Return helm/registrar for this environment."""
    values = {
        "image": noted_image(team_namespace.project, "platform"),
        "environment": team_namespace.environment.name,
        "mlflow": team_namespace.environment.mlflow,
        "storage": team_namespace.environment.storage,
    }
    return _release(team_namespace, "registrar", values, wait_seconds=REGISTRAR_SECONDS)


def runs_storage(team_namespace: TeamNamespace) -> bool:
    """Tell whether the namespace's object store is the chart's own."""
    return "storage" in own_parts(team_namespace)


def own_parts(team_namespace: TeamNamespace) -> dict[str, Values]:
    """Return the values of those parts that helm/mlflow runs itself, of database and storage."""
    values = platform_values(team_namespace.project, team_namespace.environment.name, "mlflow")
    parts = {name: dict(values.get(name, {})) for name in IMAGES}
    return {name: part for name, part in parts.items() if not part.get("external")}


def own_images(team_namespace: TeamNamespace) -> dict[str, str]:
    """Return the image of each of these parts; it is empty if there is none.

    The platform's values come before the digests that `make images` wrote.
    """
    noted = noted_images(team_namespace.project)
    return {
        name: part.get("image", noted.get(IMAGES[name], ""))
        for name, part in own_parts(team_namespace).items()
    }


def _release(
    team_namespace: TeamNamespace, chart: str, values: Values, *, wait_seconds: float | None
) -> ChartRelease:
    all_values = merged(
        values, platform_values(team_namespace.project, team_namespace.environment.name, chart)
    )
    return ChartRelease(chart, team_namespace.project / "helm" / chart, all_values, wait_seconds)


def _api_server(team_namespace: TeamNamespace) -> list[Values]:
    """Return the API server's own addresses, and the Service's.

    Some networks apply a policy to the one, some to the other.
    """
    with team_namespace.api.asking("read the addresses of the API server in default"):
        service = team_namespace.api.core.read_namespaced_service("kubernetes", "default").spec
        slices = team_namespace.api.discovery.list_namespaced_endpoint_slice(
            "default", label_selector="kubernetes.io/service-name=kubernetes"
        ).items
    own = {
        (address, port.port)
        for found in slices
        for endpoint in found.endpoints
        for address in endpoint.addresses
        for port in found.ports
    }
    named = {(service.cluster_ip, port.port) for port in service.ports}
    return [
        {"cidr": str(ip_network(address)), "ports": [port]} for address, port in sorted(own | named)
    ]


def reader_endpoint(team_namespace: TeamNamespace) -> str:
    """Return the URL of the namespace's object store, by the name of its Service."""
    host = f"{object_names.STORAGE_SERVICE}.{team_namespace.namespace}.svc"
    return f"http://{host}:{object_names.STORAGE_PORT}"
