"""What will not hold in a team's namespaces, said before they are brought, and refused to nobody."""

from collections.abc import Iterator

from titlebout.cluster import platform_values
from titlebout.team.base import APPLY_POLICIES, POLICIES, has_policy
from titlebout.team.charts import reader_endpoint, runs_storage
from titlebout.team.place import Place


def caveats(dev: Place, staging: Place, prod: Place) -> Iterator[str]:
    clusters = {place.cluster.context: place for place in (dev, staging, prod)}
    for place in clusters.values():
        yield from unrefused(place)
    if beyond_reach(dev, prod):
        yield (
            f"{dev.namespace} is told of prod's store as {reader_endpoint(prod)}, which answers in prod's cluster alone. "
            f"Next: name an address that answers, as prodReader.endpoint in environments/dev/mlflow-values.yaml; see docs/teams.md"
        )


def unrefused(place: Place) -> Iterator[str]:
    """What the admission policies that the cluster lacks would refuse."""
    lacks = [f"{found} ({name})" for name, found in POLICIES.items() if not has_policy(place.api, name)]
    if lacks:
        yield f"nothing in {place.api.name} refuses {'; '.join(lacks)}. Next: {APPLY_POLICIES}"


def beyond_reach(dev: Place, prod: Place) -> bool:
    """Whether dev would be told of prod's store by the name of a Service of another cluster."""
    named = platform_values(dev.project, dev.environment.name, "mlflow").get("prodReader", {}).get("endpoint")
    return dev.cluster.context != prod.cluster.context and runs_storage(prod) and not named
