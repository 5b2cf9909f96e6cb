"""Verify an environment on a cluster: ask each team's registrar.

One that does not answer hides no other.
"""

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
    """Make two teams; bell's registrar does not answer, ring's finds nothing wrong.

    The model of a third team has no namespaces.
    """
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
    """Report what was not verified as a fault."""
    (fault,) = cluster_faults(project, "prod", CLUSTER, team=None)
    assert fault.startswith("bell: not verified: the registrar")


def test_the_example_is_no_request(project):
    """Ask no registrar of the sample file, which can be copied as it is."""
    sample = REPOSITORY / "environments" / "teams" / "example.yaml.sample"
    assert team_names(REPOSITORY) == []
    shutil.copy(sample, project / "environments" / "teams")
    assert [
        fault.partition(":")[0] for fault in cluster_faults(project, "prod", CLUSTER, team=None)
    ] == ["bell"]
    shutil.copy(sample, project / "environments" / "teams" / "example.yaml")
    assert load_team(project, "example").team == "example"


def test_one_team_s_alone(project):
    """Ask one team's registrar alone, for people with rights in its namespaces only."""
    assert cluster_faults(project, "prod", CLUSTER, team="ring") == []
    with pytest.raises(SpecError, match="teams here: bell, ring"):
        cluster_faults(project, "prod", CLUSTER, team="gong")
