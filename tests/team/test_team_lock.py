"""Refuse a second command on a team's namespaces, and free the lock of a killed one."""

from datetime import UTC, datetime

import pytest

from titlebout.cluster import lease as lease_module
from titlebout.cluster import lease_holder
from titlebout.spec import Busy
from titlebout.team import apply_team, remove_team
from titlebout.team import team_lock as lock_module
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
    """Make all three namespaces of the team."""
    for team_namespace in open_team_namespaces(project, "ring"):
        cluster.put(
            f"/api/v1/namespaces/{team_namespace.namespace}",
            {"metadata": {"labels": {"titlebout.io/team": "ring"}}},
        )


@pytest.fixture(autouse=True)
def short_lease(monkeypatch):
    """Let a Lease last one second, and the second command wait for two."""
    for module, name, value in (
        (lease_module, "LEASE_SECONDS", 1),
        (lease_module, "RENEW_SECONDS", 0.2),
        (lease_module, "POLL_SECONDS", 0.1),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(lock_module, "WAIT_SECONDS", 2.0)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_second_command_is_refused_with_the_holder_s_name(cluster, project, namespaces, command):
    """Install and remove no chart while the first goes on, though in one namespace only."""
    with team_lock([open_team_namespace(project, "ring", "prod")], by="ann") as lock_checks:
        with pytest.raises(Busy, match="found one by ann@"):
            command(project)
        lock_checks["ring-prod"]()


def test_a_killed_command_s_lease_is_free(cluster, project, namespaces):
    """Take over a Lease that is not renewed any more."""
    cluster.put(
        f"{LEASES}/team",
        {"spec": {"holderIdentity": "ann@killed", "renewTime": "2026-11-01T00:00:00.000000Z"}},
    )
    with team_lock(open_team_namespaces(project, "ring"), by="bob") as lock_checks:
        lock_checks["ring-prod"]()
        assert cluster.objects[f"{LEASES}/team"]["spec"]["holderIdentity"].startswith("bob@")


def test_a_command_that_lost_its_lease_stops(cluster, project, namespaces):
    """Stop a command that was cut off for so long that somebody else took over."""
    with team_lock([open_team_namespace(project, "ring", "prod")], by="ann") as lock_checks:
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
            lock_checks["ring-prod"]()


def test_a_lease_that_cannot_be_given_back_is_no_error(cluster, project, namespaces):
    """End without an error when the API is away or the namespace is gone: the Lease expires."""
    with team_lock([open_team_namespace(project, "ring", "prod")], by="ann"):
        cluster.shutdown()
        cluster.server_close()


def test_the_holder_of_a_lease_is_described_while_it_renews(cluster, project, namespaces):
    """Name a holder that took the Lease after the given time, and no older one."""
    began = datetime.now(UTC)
    team_namespace = open_team_namespace(project, "ring", "prod")
    with team_lock([team_namespace], by="ann"):
        assert "one by ann@" in (holder(team_namespace, after=began) or "")
        assert holder(team_namespace, after=datetime.now(UTC)) is None
    assert holder(team_namespace, after=began) is None


def test_a_killed_holder_of_a_lease_is_none(cluster, project, namespaces):
    """Describe nobody for a Lease that is not renewed any more."""
    cluster.put(
        f"{LEASES}/team",
        {"spec": {"holderIdentity": "ann@killed", "renewTime": "2026-11-01T00:00:00.000000Z"}},
    )
    never = datetime.min.replace(tzinfo=UTC)
    assert holder(open_team_namespace(project, "ring", "prod"), after=never) is None


def holder(team_namespace, *, after):
    """Describe who holds the team's Lease in the namespace."""
    return lease_holder(team_namespace.api, team_namespace.namespace, "team", after=after)
