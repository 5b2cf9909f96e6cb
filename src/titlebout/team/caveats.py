"""Warn about what will not hold in a team's namespaces, before they are applied."""

from collections.abc import Iterator

from titlebout.cluster import platform_values
from titlebout.team.base import POLICIES, POLICIES_NEXT_STEP, has_policy
from titlebout.team.charts import reader_endpoint, runs_storage
from titlebout.team.team_namespace import TeamNamespace


def caveats(dev: TeamNamespace, staging: TeamNamespace, prod: TeamNamespace) -> Iterator[str]:
    """Yield a warning for each policy that a cluster lacks, and for a store out of dev's reach."""
    clusters = {
        team_namespace.cluster.context: team_namespace for team_namespace in (dev, staging, prod)
    }
    for team_namespace in clusters.values():
        yield from missing_policies(team_namespace)
    if is_prod_store_unreachable(dev, prod):
        yield (
            f"{dev.namespace} gets {reader_endpoint(prod)} as the address of prod's store, "
            "which answers only in prod's cluster. Next: name an address that answers, as "
            "prodReader.endpoint in environments/dev/mlflow-values.yaml; see docs/teams.md"
        )


def missing_policies(team_namespace: TeamNamespace) -> Iterator[str]:
    """Yield a warning that names what the missing admission policies would refuse."""
    lacks = [
        f"{found} ({name})"
        for name, found in POLICIES.items()
        if not has_policy(team_namespace.api, name)
    ]
    if lacks:
        yield (
            f"nothing in {team_namespace.api.name} refuses {'; '.join(lacks)}. "
            f"Next: {POLICIES_NEXT_STEP}"
        )


def is_prod_store_unreachable(dev: TeamNamespace, prod: TeamNamespace) -> bool:
    """Tell whether dev would get the name of a Service of another cluster as prod's store."""
    endpoint = (
        platform_values(dev.project, dev.environment.name, "mlflow")
        .get("prodReader", {})
        .get("endpoint")
    )
    return dev.cluster.context != prod.cluster.context and runs_storage(prod) and not endpoint
