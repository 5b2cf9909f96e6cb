"""Make the namespace itself. It is in no chart, so no `helm uninstall` takes a team's data."""

from typing import Any

from titlebout.spec import Busy, NotAllowed, Team, object_names
from titlebout.team.team_namespace import TeamNamespace

CONTACT = "titlebout.io/contact"
BUDGET = "titlebout.io/budget"
ON_CALL = "titlebout.io/on-call"
REMOVED = "titlebout.io/removed"
POD_SECURITY = {
    f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
}


def namespace_exists(team_namespace: TeamNamespace) -> bool:
    """Tell whether the namespace exists.

    Raise NotAllowed if it is not this team's: it may be another team's or a person's own. Raise
    Busy if it is being deleted: nothing can be made in it any more, not even a Lease.
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
            found=f"{owner or 'none'}: it is not this team's, and nothing was changed",
            next_step="give the team another name; or, if it was made for this team, "
            f"`kubectl label namespace {team_namespace.namespace} "
            f"{object_names.LABEL_TEAM}={team_namespace.team}`",
        )
    if found.metadata.deletion_timestamp is not None:
        raise Busy(
            f"namespace {team_namespace.namespace}",
            expected="to be there, or to be gone",
            found="still being deleted",
            next_step=f"wait until `kubectl get namespace {team_namespace.namespace}` "
            "finds nothing, then run the command again",
        )
    return True


def create_namespace(team_namespace: TeamNamespace, team: Team) -> None:
    """Make the namespace, or update its labels and annotations.

    Raise NotAllowed if it is not this team's, and Busy while it is being deleted.
    """
    body = namespace_of(team_namespace, team)
    what = f"create namespace {team_namespace.namespace}"
    if team_namespace.api.unless_changed(
        what, team_namespace.api.core.create_namespace, body, field_manager="titlebout"
    ):
        return
    namespace_exists(team_namespace)
    body["metadata"]["annotations"][REMOVED] = None  # it is in use again
    with team_namespace.api.asking(f"change namespace {team_namespace.namespace}"):
        team_namespace.api.core.patch_namespace(
            team_namespace.namespace, body, field_manager="titlebout"
        )


def namespace_of(team_namespace: TeamNamespace, team: Team) -> dict[str, Any]:
    """Return the namespace's manifest.

    It names the on-call groups for the admission policy, which sees no RoleBindings.
    """
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
