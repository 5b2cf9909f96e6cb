"""The namespace itself, which is in no chart: no `helm uninstall` takes a team's data with it."""

from typing import Any

from titlebout.spec import Busy, NotAllowed, Team
from titlebout.spec import kubernetes as names
from titlebout.team.place import Place

CONTACT, BUDGET, ON_CALL, REMOVED = "titlebout.io/contact", "titlebout.io/budget", "titlebout.io/on-call", "titlebout.io/removed"
POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def is_there(place: Place) -> bool:
    """Raises NotAllowed for a namespace of that name that is not this team's: two teams' names, or somebody's own, may fall together.

    Raises Busy for one that is being deleted: nothing can be made in it any more, not even a Lease.
    """
    found = place.api.find(place.api.core.read_namespace, place.namespace)
    if found is None:
        return False
    owner = (found.metadata.labels or {}).get(names.LABEL_TEAM)
    if owner != place.team:
        raise NotAllowed(
            f"namespace {place.namespace}",
            expected=f"the label {names.LABEL_TEAM}: {place.team}",
            found=f"{owner or 'none'}: somebody else made it, and nothing was changed",
            next_step=f"give the team another name; or, if it was made for this team, "
            f"`kubectl label namespace {place.namespace} {names.LABEL_TEAM}={place.team}`",
        )
    if found.metadata.deletion_timestamp is not None:
        raise Busy(
            f"namespace {place.namespace}",
            expected="to be there, or to be gone",
            found="still being deleted",
            next_step=f"wait until `kubectl get namespace {place.namespace}` finds nothing, then run the command again",
        )
    return True


def bring_namespace(place: Place, team: Team) -> None:
    """There with its labels and annotations; raises NotAllowed if it is not this team's, Busy while it is being deleted."""
    body = namespace_of(place, team)
    what = f"create namespace {place.namespace}"
    if place.api.unless_changed(what, place.api.core.create_namespace, body, field_manager="titlebout"):
        return
    is_there(place)
    body["metadata"]["annotations"][REMOVED] = None  # it is back
    with place.api.asking(f"change namespace {place.namespace}"):
        place.api.core.patch_namespace(place.namespace, body, field_manager="titlebout")


def namespace_of(place: Place, team: Team) -> dict[str, Any]:
    """The on-call groups stand here for the admission policy, which sees the namespace and not the RoleBindings."""
    on_call = [f"{team.team}:on-call", *team.groups.get("on-call", ())]
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": place.namespace,
            "labels": {
                names.LABEL_TEAM: team.team,
                names.LABEL_ENVIRONMENT: place.environment.name,
                "app.kubernetes.io/part-of": "titlebout",
                **POD_SECURITY,
            },
            "annotations": {CONTACT: team.contact, BUDGET: team.budget, ON_CALL: ",".join(on_call)},
        },
    }
