"""Explain why pods do not get ready, in the cluster's own words."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from titlebout.cluster.api import Api

OF_A_CHART = "app.kubernetes.io/managed-by=Helm"  # no chart waits for other Jobs
# A chart waits for five minutes at most. A restart of last week says nothing about today's.
RECENT = timedelta(minutes=10)


def why_not_ready(api: "Api", namespace: str) -> str:
    """Name what is not ready in the namespace; empty if all is well.

    It names each pod that is not ready or was restarted, and each Job that has not ended well. It
    names what no pod could be made for, too. A Job's pod is ready while it runs. So the pods alone
    do not tell why a chart waits.
    """
    with api.asking(f"list pods, jobs and events in {namespace}"):
        pods = api.core.list_namespaced_pod(namespace).items
        jobs = api.batch.list_namespaced_job(namespace, label_selector=OF_A_CHART).items
        refused = api.core.list_namespaced_event(
            namespace, field_selector="reason=FailedCreate"
        ).items
    return "; ".join(
        [
            *(f"pod {pod.metadata.name}: {waiting_for(pod)}" for pod in pods if _is_awaited(pod)),
            *(
                f"pod {pod.metadata.name}: {ended}"
                for pod in pods
                if not _is_awaited(pod)
                for ended in _ended_lately(pod)
            ),
            *(
                f"job {job.metadata.name}: {_job_state(job)}"
                for job in jobs
                if not _is_complete(job)
            ),
            *sorted({f"{event.involved_object.name}: {event.message}" for event in refused}),
        ]
    )


def waiting_for(pod: Any) -> str:
    """Return its containers' reasons, else the conditions that do not hold."""
    states = [
        status.state.waiting for status in _statuses(pod) if status.state and status.state.waiting
    ]
    conditions = [
        condition.message
        for condition in pod.status.conditions or ()
        if condition.message and condition.status != "True"
    ]
    return (
        "; ".join(
            [f"{state.reason}: {state.message or ''}".rstrip(": ") for state in states]
            or conditions
        )
        or "a pending pod"
    )


def _statuses(pod: Any) -> list[Any]:
    return [*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())]


def _is_awaited(pod: Any) -> bool:
    ready = any(
        condition.type == "Ready" and condition.status == "True"
        for condition in pod.status.conditions or ()
    )
    return (
        not ready
        and pod.status.phase not in ("Succeeded", "Failed")
        and pod.metadata.deletion_timestamp is None
    )


def _ended_lately(pod: Any) -> Iterator[str]:
    """Yield how each container ended that failed a moment ago. Its pod may be ready again."""
    for status in _statuses(pod):
        for state in (status.state, status.last_state):
            end = state.terminated if state else None
            if (
                end
                and end.exit_code != 0
                and end.finished_at
                and end.finished_at > datetime.now(UTC) - RECENT
            ):
                message = f": {' '.join(end.message.split())}" if end.message else ""
                yield (
                    f"{status.name} ended with code {end.exit_code} ({end.reason}), "
                    f"restarted {status.restart_count} times{message}"
                )


def _job_state(job: Any) -> str:
    failed = next(
        (
            found
            for found in job.status.conditions or ()
            if found.type == "Failed" and found.status == "True"
        ),
        None,
    )
    if failed is not None:
        return f"failed: {failed.message}"
    return f"has not ended; {job.status.active or 0} pods run, {job.status.failed or 0} failed"


def _is_complete(job: Any) -> bool:
    """Tell whether the Job ended well. No chart waits for one that is suspended."""
    ended = any(
        found.type == "Complete" and found.status == "True" for found in job.status.conditions or ()
    )
    return ended or bool(job.spec.suspend)
