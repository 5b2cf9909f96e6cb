"""The namespace itself, which is in no chart: no `helm uninstall` takes a team's data with it."""

from typing import Any

from titlebout.spec import Busy, NotAllowed, Team, object_names
from titlebout.team.team_namespace import TeamNamespace

CONTACT, BUDGET, ON_CALL, REMOVED = (
    "titlebout.io/contact",
    "titlebout.io/budget",
    "titlebout.io/on-call",
    "titlebout.io/removed",
)
POD_SECURITY = {
    f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
}


def is_there(team_namespace: TeamNamespace) -> bool:
    """Raises NotAllowed for a namespace of that name that is not this team's: two teams' names, or somebody's own, may fall together.

    Raises Busy for one that is being deleted: nothing can be made in it any more, not even a Lease.
    """
    found = team_namespace.api.find(
        team_namespace.api.core.read_namespace, team_namespace.namespace
    )
    if found is None:
        return False
    owner = (found.metadata.labels or {}).get(object_names.LABEL_TEAM)
    if owner != team_namespace.team:
        raise NotAllowed(
            f"namespace {team_namespace.namespace}",
            expected=f"the label {object_names.LABEL_TEAM}: {team_namespace.team}",
            found=f"{owner or 'none'}: somebody else made it, and nothing was changed",
            next_step=f"give the team another name; or, if it was made for this team, "
            f"`kubectl label namespace {team_namespace.namespace} {object_names.LABEL_TEAM}={team_namespace.team}`",
        )
    if found.metadata.deletion_timestamp is not None:
        raise Busy(
            f"namespace {team_namespace.namespace}",
            expected="to be there, or to be gone",
            found="still being deleted",
            next_step=f"wait until `kubectl get namespace {team_namespace.namespace}` finds nothing, then run the command again",
        )
    return True


def bring_namespace(team_namespace: TeamNamespace, team: Team) -> None:
    """There with its labels and annotations; raises NotAllowed if it is not this team's, Busy while it is being deleted."""
    body = namespace_of(team_namespace, team)
    what = f"create namespace {team_namespace.namespace}"
    if team_namespace.api.unless_changed(
        what, team_namespace.api.core.create_namespace, body, field_manager="titlebout"
    ):
        return
    is_there(team_namespace)
    body["metadata"]["annotations"][REMOVED] = None  # it is back
    with team_namespace.api.asking(f"change namespace {team_namespace.namespace}"):
        team_namespace.api.core.patch_namespace(
            team_namespace.namespace, body, field_manager="titlebout"
        )


def namespace_of(team_namespace: TeamNamespace, team: Team) -> dict[str, Any]:
    """The on-call groups stand here for the admission policy, which sees the namespace and not the RoleBindings."""
    on_call = [f"{team.team}:on-call", *team.groups.get("on-call", ())]
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": team_namespace.namespace,
            "labels": {
                object_names.LABEL_TEAM: team.team,
                object_names.LABEL_ENVIRONMENT: team_namespace.environment.name,
                "app.kubernetes.io/part-of": "titlebout",
                **POD_SECURITY,
            },
            "annotations": {CONTACT: team.contact, BUDGET: team.budget, ON_CALL: ",".join(on_call)},
        },
    }
