"""Two people at one team's namespaces at once: who comes second is refused by name; a killed command's place is free again."""

import pytest

from titlebout.cluster import lease as leases
from titlebout.spec import Busy
from titlebout.team import apply_team, remove_team
from titlebout.team import team_lock as room
from titlebout.team.team_lock import team_lock
from titlebout.team.team_namespace import open_team_namespace, open_team_namespaces

LEASES = "/apis/coordination.k8s.io/v1/namespaces/ring-prod/leases"
COMMANDS = {
    "apply": lambda project: apply_team(project, "ring", by="bob", progress=print),
    "remove": lambda project: remove_team(
        project, "ring", delete_data="ring", by="bob", progress=print
    ),
}


@pytest.fixture
def namespaces(cluster, project):
    """Of the team, all three."""
    for team_namespace in open_team_namespaces(project, "ring"):
        cluster.put(
            f"/api/v1/namespaces/{team_namespace.namespace}",
            {"metadata": {"labels": {"titlebout.io/team": "ring"}}},
        )


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A Lease lasts a second, and who comes second waits for two."""
    for module, name, value in (
        (leases, "LEASE_SECONDS", 1),
        (leases, "RENEW_SECONDS", 0.2),
        (leases, "POLL_SECONDS", 0.1),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(room, "WAIT_SECONDS", 2.0)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_second_is_told_who_is_at_it(cluster, project, namespaces, command):
    """While the first goes on, no chart is installed or removed; one namespace of the three is enough."""
    with team_lock([open_team_namespace(project, "ring", "prod")], by="ann") as ours:
        with pytest.raises(Busy, match="found one by ann@"):
            command(project)
        ours["ring-prod"]()


def test_a_killed_one_s_lease_passes_on(cluster, project, namespaces):
    """It is not renewed any more, and that is all that is needed."""
    cluster.put(
        f"{LEASES}/team",
        {"spec": {"holderIdentity": "ann@killed", "renewTime": "2026-11-01T00:00:00.000000Z"}},
    )
    with team_lock(open_team_namespaces(project, "ring"), by="bob") as ours:
        ours["ring-prod"]()
        assert cluster.objects[f"{LEASES}/team"]["spec"]["holderIdentity"].startswith("bob@")


def test_who_lost_the_lease_goes_no_further(cluster, project, namespaces):
    """Cut off for so long that somebody else took over."""
    with team_lock([open_team_namespace(project, "ring", "prod")], by="ann") as ours:
        cluster.put(
            f"{LEASES}/team",
            {
                "spec": {
                    "holderIdentity": "bob@elsewhere",
                    "renewTime": "2026-11-01T00:00:00.000000Z",
                }
            },
        )
        with pytest.raises(Busy, match="bob@elsewhere"):
            ours["ring-prod"]()


def test_what_is_done_is_done(cluster, project, namespaces):
    """A Lease that cannot be given back, for the API is away or the namespace went, is no error: it passes on by itself."""
    with team_lock([open_team_namespace(project, "ring", "prod")], by="ann"):
        cluster.shutdown()
        cluster.server_close()
