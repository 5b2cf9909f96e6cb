"""Why pods do not get ready, in the cluster's own words."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from titlebout.cluster.api import Api


def why_not_ready(api: "Api", namespace: str) -> str:
    """Of each pod that is not ready, and of what no pod could be made for; empty if all is well."""
    with api.asking(f"list pods and events in {namespace}"):
        pods = api.core.list_namespaced_pod(namespace).items
        refused = api.core.list_namespaced_event(namespace, field_selector="reason=FailedCreate").items
    found = [f"pod {pod.metadata.name}: {waiting_for(pod)}" for pod in pods if _is_awaited(pod)]
    return "; ".join([*found, *sorted({f"{event.involved_object.name}: {event.message}" for event in refused})])


def waiting_for(pod: Any) -> str:
    """Its containers' reasons, else the conditions that do not hold."""
    statuses = [*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())]
    states = [status.state.waiting for status in statuses if status.state and status.state.waiting]
    conditions = [condition.message for condition in pod.status.conditions or () if condition.message and condition.status != "True"]
    return "; ".join([f"{state.reason}: {state.message or ''}".rstrip(": ") for state in states] or conditions) or "a pending pod"


def _is_awaited(pod: Any) -> bool:
    ready = any(condition.type == "Ready" and condition.status == "True" for condition in pod.status.conditions or ())
    return not ready and pod.status.phase not in ("Succeeded", "Failed") and pod.metadata.deletion_timestamp is None
