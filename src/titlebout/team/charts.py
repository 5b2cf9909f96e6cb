"""What is installed in a team's namespace: three charts, and the values that environment, team and images give them."""

from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from titlebout.cluster import merged, platform_values
from titlebout.images import DIGESTS_FILE, noted_image, noted_images
from titlebout.spec import SpecError, Team, object_names
from titlebout.team.team_namespace import TeamNamespace

Values = dict[str, Any]
MLFLOW_SECONDS = 300.0  # 25 where the images are there; the rest is for pulling them, and for a node that must be added first
REGISTRAR_SECONDS = 120.0
IMAGES = {
    "database": "postgres",
    "storage": "seaweedfs",
}  # of the chart's own parts, as images/digests.json calls them
READER_SECRET = "storage-reader"  # noqa: S105  a name: in prod, what dev's storage-prod-reader is a copy of


@dataclass(frozen=True)
class ChartRelease:
    name: str
    chart: Path
    values: Values
    wait_seconds: float | None


def team_chart(team_namespace: TeamNamespace, team: Team) -> ChartRelease:
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
    """`prod_reader`, in dev: accessKey, secretKey and endpoint of prod's object store."""
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
                expected=f"an image by digest in environments/{team_namespace.environment.name}/mlflow-values.yaml or {DIGESTS_FILE}",
                found="neither names one",
                next_step="make images looks them up and notes them",
            )
    return _release(team_namespace, "mlflow", values, wait_seconds=MLFLOW_SECONDS)


def registrar_chart(team_namespace: TeamNamespace) -> ChartRelease:
    values = {
        "image": noted_image(team_namespace.project, "platform"),
        "environment": team_namespace.environment.name,
        "mlflow": team_namespace.environment.mlflow,
        "storage": team_namespace.environment.storage,
    }
    return _release(team_namespace, "registrar", values, wait_seconds=REGISTRAR_SECONDS)


def runs_storage(team_namespace: TeamNamespace) -> bool:
    """Whether the namespace's object store is the chart's own."""
    return "storage" in own_parts(team_namespace)


def own_parts(team_namespace: TeamNamespace) -> dict[str, Values]:
    """Of database and storage those that helm/mlflow runs itself, each with what the platform's values say of it."""
    values = platform_values(team_namespace.project, team_namespace.environment.name, "mlflow")
    parts = {name: dict(values.get(name, {})) for name in IMAGES}
    return {name: said for name, said in parts.items() if not said.get("external")}


def own_images(team_namespace: TeamNamespace) -> dict[str, str]:
    """Of each of these parts what the platform's values name, else what was noted; empty if that is none."""
    noted = noted_images(team_namespace.project)
    return {
        part: said.get("image", noted.get(IMAGES[part], ""))
        for part, said in own_parts(team_namespace).items()
    }


def _release(
    team_namespace: TeamNamespace, chart: str, values: Values, *, wait_seconds: float | None
) -> ChartRelease:
    with_platforms = merged(
        values, platform_values(team_namespace.project, team_namespace.environment.name, chart)
    )
    return ChartRelease(
        chart, team_namespace.project / "helm" / chart, with_platforms, wait_seconds
    )


def _api_server(team_namespace: TeamNamespace) -> list[Values]:
    """Its own addresses, and the Service's: some networks hold a policy against the one, some against the other."""
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
    return f"http://{object_names.STORAGE_SERVICE}.{team_namespace.namespace}.svc:{object_names.STORAGE_PORT}"
