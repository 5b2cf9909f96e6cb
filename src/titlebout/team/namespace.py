"""The namespace itself, which is in no chart: no `helm uninstall` takes a team's data with it."""

from typing import Any

from titlebout.spec import Team
from titlebout.spec import kubernetes as names
from titlebout.team.place import Place

CONTACT, BUDGET, ON_CALL, REMOVED = "titlebout.io/contact", "titlebout.io/budget", "titlebout.io/on-call", "titlebout.io/removed"
POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def bring_namespace(place: Place, team: Team) -> None:
    """There with its labels and annotations, whatever was there before."""
    body = namespace_of(place, team)
    what = f"create namespace {place.namespace}"
    if place.api.unless_changed(what, place.api.core.create_namespace, body, field_manager="titlebout"):
        return
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
