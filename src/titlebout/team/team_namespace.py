"""Find a team's namespace in an environment, and the cluster that it is in."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from titlebout.spec import (
    ENVIRONMENTS,
    Cluster,
    Environment,
    NotAllowed,
    load_environment,
    object_names,
)

if TYPE_CHECKING:
    from titlebout.cluster import Api, Helm


@dataclass(frozen=True)
class TeamNamespace:
    """Describe a team in one environment."""

    project: Path
    team: str
    environment: Environment
    cluster: Cluster

    @property
    def namespace(self) -> str:
        """Return the namespace's name."""
        return object_names.namespace_of(self.team, self.environment.name)

    @cached_property
    def api(self) -> "Api":
        """Return the API of the cluster."""
        from titlebout.cluster import connect

        return connect(self.cluster)

    @cached_property
    def helm(self) -> "Helm":
        """Return Helm for the cluster."""
        from titlebout.cluster import Helm

        return Helm(self.api.context)


def open_team_namespace(project: Path, team: str, environment: str) -> TeamNamespace:
    """Return the team's namespace. Raise NotAllowed if the environment names no cluster."""
    declared = load_environment(project, environment)
    if declared.kubernetes is None:
        raise NotAllowed(
            f"team {team} in {environment}",
            expected=f"environments/{environment}/environment.yaml to name a cluster",
            found="no `kubernetes`: everything runs on this machine",
            next_step="see docs/install.md",
        )
    return TeamNamespace(
        project=project, team=team, environment=declared, cluster=declared.kubernetes
    )


def open_team_namespaces(project: Path, team: str) -> list[TeamNamespace]:
    """Return the team's namespaces in dev, staging and prod."""
    return [open_team_namespace(project, team, name) for name in ENVIRONMENTS]
