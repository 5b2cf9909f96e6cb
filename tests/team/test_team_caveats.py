"""Warn about clusters that separate what a team's environments need together."""

from pathlib import Path

import pytest
import yaml

from titlebout.spec import ENVIRONMENTS
from titlebout.team.caveats import is_prod_store_unreachable
from titlebout.team.team_namespace import TeamNamespace, open_team_namespaces

ONE_CLUSTER = dict.fromkeys(ENVIRONMENTS, "company")
THREE_CLUSTERS = {name: f"company-{name}" for name in ENVIRONMENTS}


def team_namespaces(
    project: Path, contexts: dict[str, str], **values: dict
) -> dict[str, TeamNamespace]:
    """Return the team's namespaces, by environment.

    `values` are the environments' mlflow-values.yaml.
    """
    for name, context in contexts.items():
        folder = project / "environments" / name
        folder.mkdir(parents=True)
        declared = {"name": name, "mlflow": "http://mlflow:5000", "storage": "s3://titlebout"}
        cluster = {"context": context, "images": "registry.example.com/titlebout"}
        (folder / "environment.yaml").write_text(
            yaml.safe_dump({**declared, "kubernetes": cluster})
        )
        (folder / "mlflow-values.yaml").write_text(yaml.safe_dump(values.get(name, {})))
    return {
        team_namespace.environment.name: team_namespace
        for team_namespace in open_team_namespaces(project, "ring")
    }


def test_each_environment_is_on_the_cluster_that_it_names(tmp_path):
    """Ask each namespace's API through the environment's own context."""
    assert {
        name: team_namespace.api.context
        for name, team_namespace in team_namespaces(tmp_path, THREE_CLUSTERS).items()
    } == THREE_CLUSTERS


@pytest.mark.parametrize(
    ("contexts", "values", "unreachable"),
    [
        (ONE_CLUSTER, {}, False),
        (THREE_CLUSTERS, {}, True),
        (THREE_CLUSTERS, {"dev": {"prodReader": {"endpoint": "https://store.example.com"}}}, False),
        (THREE_CLUSTERS, {"prod": {"storage": {"external": True}}}, False),
    ],
    ids=["one cluster", "three", "three, and an address", "three, and a store elsewhere"],
)
def test_prod_s_store_by_the_name_of_a_service(tmp_path, contexts, values, unreachable):
    """Reach prod's store by its Service within one cluster only, if the chart runs the store."""
    found = team_namespaces(tmp_path, contexts, **values)
    assert is_prod_store_unreachable(found["dev"], found["prod"]) == unreachable
