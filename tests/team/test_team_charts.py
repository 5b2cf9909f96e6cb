"""Give a team's charts what the team's file says."""

from pathlib import Path

import pytest
import yaml

from titlebout.spec import SpecError, load_team
from titlebout.team.charts import team_chart
from titlebout.team.team_namespace import open_team_namespace

API_SERVER = "/api/v1/namespaces/default/services/kubernetes"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


def change_team_file(project: Path, **fields: object) -> None:
    """Set these fields of the team's file."""
    path = project / "environments" / "teams" / "ring.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | fields))


@pytest.fixture
def clients(cluster, project: Path):
    """Return the client namespaces that helm/team gets."""
    cluster.put(API_SERVER, {"spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}})
    cluster.put(SLICES, {"items": []})
    return lambda: team_chart(
        open_team_namespace(project, "ring", "prod"), load_team(project, "ring")
    ).values["clientNamespaces"]


def test_who_may_call_the_models(clients, project: Path):
    """Let nobody call the models until the team names a namespace."""
    assert clients() == []
    change_team_file(project, clients=["shop", "shop-2"])
    assert clients() == ["shop", "shop-2"]


@pytest.mark.parametrize("wrong", ["Shop", "shop.prod", "*", "-shop", ""])
def test_what_cannot_be_a_namespace_is_refused(project: Path, wrong: str):
    """Refuse it in the team's file, with the field's name."""
    change_team_file(project, clients=[wrong])
    with pytest.raises(SpecError, match=r"ring\.yaml: .*clients\.0"):
        load_team(project, "ring")
