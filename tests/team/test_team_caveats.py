"""What `team apply` says of clusters that keep apart what a team's environments expect together."""

from pathlib import Path

import pytest
import yaml

from titlebout.spec import ENVIRONMENTS
from titlebout.team.caveats import beyond_reach
from titlebout.team.team_namespace import TeamNamespace, open_team_namespaces

ONE, THREE = (
    dict.fromkeys(ENVIRONMENTS, "company"),
    {name: f"company-{name}" for name in ENVIRONMENTS},
)


def team_namespaces(
    project: Path, contexts: dict[str, str], **values: dict
) -> dict[str, TeamNamespace]:
    """`values`, by environment: what its mlflow-values.yaml says."""
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
    """Three contexts: each namespace's API is asked through its own."""
    assert {
        name: team_namespace.api.context
        for name, team_namespace in team_namespaces(tmp_path, THREE).items()
    } == THREE


@pytest.mark.parametrize(
    ("contexts", "values", "beyond"),
    [
        (ONE, {}, False),
        (THREE, {}, True),
        (THREE, {"dev": {"prodReader": {"endpoint": "https://store.example.com"}}}, False),
        (THREE, {"prod": {"storage": {"external": True}}}, False),
    ],
    ids=["one cluster", "three", "three, and an address", "three, and a store elsewhere"],
)
def test_prod_s_store_by_the_name_of_a_service(tmp_path, contexts, values, beyond):
    """It answers dev within one cluster; a store that the chart does not run has no such name."""
    found = team_namespaces(tmp_path, contexts, **values)
    assert beyond_reach(found["dev"], found["prod"]) == beyond
