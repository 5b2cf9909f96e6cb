"""`titlebout verify` for an environment on a cluster: each team's registrar is asked, and one that does not answer hides no other."""

import shutil
from pathlib import Path

import pytest

from titlebout.ledger import registrar_client as registrar
from titlebout.ledger.registrar_client import cluster_faults
from titlebout.spec import Cluster, ClusterAway, SpecError, load_team, team_names

REPOSITORY = Path(__file__).parents[2]
CLUSTER = Cluster(images="localhost:5000/tests")
TEAM = """
team: {name}
contact: {name}@example.com
budget: none
quota: {{dev: &q {{cpu: 1, memory: 1Gi, storage: 20Gi}}, staging: *q, prod: *q}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two teams; bell's registrar does not answer, ring's finds nothing wrong. A model of a third, who asked for no namespaces."""
    for name in ("bell", "ring"):
        path = tmp_path / "environments" / "teams" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEAM.format(name=name))

    def ask(_api, namespace, path):
        assert path == "verify"
        if namespace == "bell-prod":
            raise ClusterAway("the registrar", expected="an answer", found="none", next_step="wait")
        return {"faults": []}

    monkeypatch.setattr(registrar, "ask_registrar", ask)
    return tmp_path


def test_a_registrar_that_does_not_answer_is_a_fault_and_the_others_are_asked(project):
    """Unverified is not verified."""
    (fault,) = cluster_faults(project, "prod", CLUSTER, team=None)
    assert fault.startswith("bell: not verified: the registrar")


def test_the_example_is_no_request(project):
    """A fork that has it beside its teams asks these alone; and what it shows can be copied as it is."""
    sample = REPOSITORY / "environments" / "teams" / "example.yaml.sample"
    assert team_names(REPOSITORY) == []
    shutil.copy(sample, project / "environments" / "teams")
    assert [
        fault.partition(":")[0] for fault in cluster_faults(project, "prod", CLUSTER, team=None)
    ] == ["bell"]
    shutil.copy(sample, project / "environments" / "teams" / "example.yaml")
    assert load_team(project, "example").team == "example"


def test_one_team_s_alone(project):
    """Whoever has rights in one team's namespaces only."""
    assert cluster_faults(project, "prod", CLUSTER, team="ring") == []
    with pytest.raises(SpecError, match="teams here: bell, ring"):
        cluster_faults(project, "prod", CLUSTER, team="gong")
