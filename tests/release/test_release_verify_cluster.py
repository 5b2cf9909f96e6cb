"""`titlebout verify` for an environment on a cluster: each team's registrar is asked, and one that does not answer hides no other."""

import pytest

from titlebout.release import registrar
from titlebout.release.registrar import cluster_faults
from titlebout.spec import Cluster, ClusterAway, SpecError

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


def test_one_team_s_alone(project):
    """Whoever has rights in one team's namespaces only."""
    assert cluster_faults(project, "prod", CLUSTER, team="ring") == []
    with pytest.raises(SpecError, match="teams here: bell, ring"):
        cluster_faults(project, "prod", CLUSTER, team="gong")
