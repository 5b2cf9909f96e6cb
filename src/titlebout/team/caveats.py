"""What will not hold in a team's namespaces, said before they are brought, and refused to nobody."""

from collections.abc import Iterator

from titlebout.cluster import platform_values
from titlebout.team.base import APPLY_POLICIES, POLICIES, has_policy
from titlebout.team.charts import reader_endpoint, runs_storage
from titlebout.team.team_namespace import TeamNamespace


def caveats(dev: TeamNamespace, staging: TeamNamespace, prod: TeamNamespace) -> Iterator[str]:
    clusters = {
        team_namespace.cluster.context: team_namespace for team_namespace in (dev, staging, prod)
    }
    for team_namespace in clusters.values():
        yield from unrefused(team_namespace)
    if beyond_reach(dev, prod):
        yield (
            f"{dev.namespace} is told of prod's store as {reader_endpoint(prod)}, which answers in prod's cluster alone. "
            f"Next: name an address that answers, as prodReader.endpoint in environments/dev/mlflow-values.yaml; see docs/teams.md"
        )


def unrefused(team_namespace: TeamNamespace) -> Iterator[str]:
    """What the admission policies that the cluster lacks would refuse."""
    lacks = [
        f"{found} ({name})"
        for name, found in POLICIES.items()
        if not has_policy(team_namespace.api, name)
    ]
    if lacks:
        yield f"nothing in {team_namespace.api.name} refuses {'; '.join(lacks)}. Next: {APPLY_POLICIES}"


def beyond_reach(dev: TeamNamespace, prod: TeamNamespace) -> bool:
    """Whether dev would be told of prod's store by the name of a Service of another cluster."""
    named = (
        platform_values(dev.project, dev.environment.name, "mlflow")
        .get("prodReader", {})
        .get("endpoint")
    )
    return dev.cluster.context != prod.cluster.context and runs_storage(prod) and not named
