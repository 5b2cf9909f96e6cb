"""Change no namespace that only has a team's name, nor the two beside it."""

import pytest

from titlebout.spec import Busy, NotAllowed, load_team
from titlebout.team import apply_team, plan_team, remove_team
from titlebout.team.create_namespace import create_namespace
from titlebout.team.team_namespace import open_team_namespace

PROD = "/api/v1/namespaces/ring-prod"
COMMANDS = {
    "apply": lambda project: apply_team(project, "ring", by="ann", progress=print),
    "plan": lambda project: plan_team(project, "ring"),
    "remove": lambda project: remove_team(
        project, "ring", delete_data="ring", by="ann", progress=print
    ),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(
    ("labels", "owner"),
    [({}, "none"), ({"titlebout.io/team": "bell"}, "bell")],
    ids=["no label", "another team's"],
)
def test_a_foreign_namespace_is_refused_before_anything_is_changed(
    cluster, project, command, labels, owner
):
    """Refuse a namespace by its label, and say what to do if it was made for the team."""
    cluster.put(PROD, {"metadata": {"labels": labels}})
    with pytest.raises(
        NotAllowed,
        match=f"found {owner}: .*kubectl label namespace ring-prod titlebout.io/team=ring",
    ):
        command(project)
    assert cluster.writes == []


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_namespace_that_is_being_deleted_is_refused(cluster, project, command):
    """Refuse before anything is changed: nothing can be made in it, not even the Lease."""
    cluster.put(
        PROD,
        {
            "metadata": {
                "labels": {"titlebout.io/team": "ring"},
                "deletionTimestamp": "2026-11-22T03:12:00Z",
            }
        },
    )
    with pytest.raises(
        Busy,
        match=r"found still being deleted\. Next: wait until "
        "`kubectl get namespace ring-prod` finds nothing",
    ):
        command(project)
    assert cluster.writes == []


def test_a_namespace_with_the_team_s_label_is_used(cluster, project):
    """Give a namespace that was labelled before what else belongs to a team's namespace."""
    cluster.put(PROD, {"metadata": {"labels": {"titlebout.io/team": "ring"}}})
    create_namespace(open_team_namespace(project, "ring", "prod"), load_team(project, "ring"))
    assert (
        cluster.objects[PROD]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )


def test_a_namespace_that_is_made_in_between_is_not_changed(cluster, project):
    """Look at an existing namespace before it is changed, if creating it is refused."""
    team_namespace, team = open_team_namespace(project, "ring", "prod"), load_team(project, "ring")
    cluster.put(PROD, {})
    with pytest.raises(NotAllowed):
        create_namespace(team_namespace, team)
    assert cluster.writes == []
