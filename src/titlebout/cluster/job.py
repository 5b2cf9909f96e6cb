"""Run a command to its end in a namespace: in a Job of the platform image.

Its log is followed as it is written; `titlebout.spec.LogReader` says what a line of it means.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from titlebout.cluster.api import CALL_SECONDS, Api
from titlebout.cluster.api_retry import AWAY_SECONDS, patiently
from titlebout.cluster.pods import waiting_for
from titlebout.spec import TOKEN_VARIABLE, ClusterError, new_token, object_names
from titlebout.waiting import wait_until

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
START_SECONDS = 120.0  # pulling the platform image the first time
# A pod usually starts in this time. After it, a person wants to know what the pod waits for.
QUIET_SECONDS = 10.0
END_SECONDS = 60.0  # a pod that is told to end is killed after thirty
KEPT_SECONDS = 600  # how long an ended Job stays, for a person who wants its log
USER = 1034  # the platform image's
KILLED = 1
COMPLETE, FAILED = "Complete", "Failed"  # the conditions of a Job that ended
# Events of a pod that was removed from its node.
TAKEN = ("Preempted", "Evicted", "TaintManagerEviction", "NodeShutdown")
# A log without a line for this time is opened again: a load balancer may have dropped it.
SILENT_SECONDS = 60.0
SCRATCH = "/tmp"  # noqa: S108  an emptyDir, and the only place that a pod may write to


@dataclass(frozen=True)
class Job:
    """Describe a Job.

    - `account`: its service account; the pod gets no token of it.
    - `secrets`: the pod's variables from Secrets, as {variable: (Secret, key)}.
    - `secret_variables`: Secrets whose every key becomes a variable.
    - `where_in_pod`: the same, as {prefix: Secret}, for Secrets that the namespace may not have.
    - `room_seconds`: how long the Job waits for a node with room.
    - `output_token`: marks the lines of its log that a program may read (`spec.LogReader`).
    """

    name: str
    part: str
    image: str
    command: tuple[str, ...]
    account: str
    seconds: float
    labels: Mapping[str, str] = field(default_factory=dict)
    secret_variables: tuple[str, ...] = ()
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    where_in_pod: Mapping[str, str] = field(default_factory=dict)
    memory: tuple[str, str] = ("192Mi", "512Mi")
    room_seconds: float = 0.0
    output_token: str = field(default_factory=new_token)

    @property
    def longest_seconds(self) -> float:
        """Return the time from its creation until it is given up."""
        return self.room_seconds + START_SECONDS + self.seconds

    def manifest(self) -> dict[str, Any]:
        """Return the Kubernetes object."""
        labels = {object_names.LABEL_PART: self.part, **self.labels}
        return {
            "metadata": {"name": self.name, "labels": labels},
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": int(self.longest_seconds),
                "ttlSecondsAfterFinished": KEPT_SECONDS,
                "template": {"metadata": {"labels": labels}, "spec": self._pod()},
            },
        }

    def _pod(self) -> dict[str, Any]:
        return {
            "restartPolicy": "Never",
            "serviceAccountName": self.account,
            "automountServiceAccountToken": False,  # it asks the API server nothing
            "enableServiceLinks": False,
            "priorityClassName": object_names.PRIORITY_WORK,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self._container()],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        }

    def _container(self) -> dict[str, Any]:
        request, limit = self.memory
        return {
            "name": self.part,
            "image": self.image,
            "command": list(self.command),
            "env": [
                {"name": TOKEN_VARIABLE, "value": self.output_token},
                *({"name": name, "value": value} for name, value in self.variables.items()),
                *(
                    {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
                    for name, (secret, key) in self.secrets.items()
                ),
            ],
            "envFrom": [
                *({"secretRef": {"name": secret}} for secret in self.secret_variables),
                *(
                    {"prefix": prefix, "secretRef": {"name": secret, "optional": True}}
                    for prefix, secret in self.where_in_pod.items()
                ),
            ],
            "resources": {
                "requests": {"cpu": "100m", "memory": request},
                "limits": {"cpu": "2", "memory": limit},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH}],
        }


def run_job(api: Api, namespace: str, job: Job, *, on_line: Callable[[str], None]) -> int:
    """Run the Job and return its command's exit code. `on_line` gets each line of its log.

    Raise ClusterError if it never started. A Job that is given up is deleted. An API server that
    does not answer is waited for: the Job goes on meanwhile, and no other Job has its name.
    """
    patiently(
        partial(
            api.unless_changed,
            f"create job {namespace}/{job.name}",
            api.batch.create_namespaced_job,
            namespace,
            job.manifest(),
        )
    )
    log.info("created job %s/%s", namespace, job.name)
    try:
        pod = _wait_until_started(api, namespace, job, on_line)
        _follow_log(api, namespace, pod, on_line)
        return _exit_code(api, namespace, job, pod)
    except BaseException:
        # the first error counts, not one of the deletion
        with suppress(ClusterError), api.asking(f"delete job {namespace}/{job.name}"):
            api.batch.delete_namespaced_job(job.name, namespace, propagation_policy="Background")
        raise


def end_jobs(api: Api, namespace: str, labels: Mapping[str, str]) -> None:
    """Delete the Jobs with these labels that still run, and wait until their pods are gone."""
    for job in _jobs_with_labels(api, namespace, labels):
        if job.status.active:
            end_job(api, namespace, job.metadata.name)


def end_failed_jobs(api: Api, namespace: str, labels: Mapping[str, str]) -> None:
    """Delete the failed Jobs with these labels, so that they are made again."""
    for job in _jobs_with_labels(api, namespace, labels):
        if _end_of(job) == FAILED:
            end_job(api, namespace, job.metadata.name)


def _jobs_with_labels(api: Api, namespace: str, labels: Mapping[str, str]) -> list[Any]:
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    with api.asking(f"list jobs in {namespace}"):
        return list(api.batch.list_namespaced_job(namespace, label_selector=selector).items)


def _end_of(job: Any) -> str | None:
    """Return COMPLETE or FAILED, or None while the Job has not ended."""
    conditions = (one for one in job.status.conditions or () if one.status == "True")
    return next((str(one.type) for one in conditions if one.type in (COMPLETE, FAILED)), None)


def end_job(api: Api, namespace: str, name: str) -> None:
    """Delete the Job, and wait until its pods are gone."""
    with api.asking(f"delete job {namespace}/{name}"):
        api.batch.delete_namespaced_job(name, namespace, propagation_policy="Foreground")
    deadline = time.monotonic() + END_SECONDS
    while (
        api.find(api.batch.read_namespaced_job, name, namespace) is not None
        and time.monotonic() < deadline
    ):
        time.sleep(POLL_SECONDS)


def _wait_until_started(api: Api, namespace: str, job: Job, on_line: Callable[[str], None]) -> str:
    """Wait until the Job's container has begun, and return its pod's name.

    `on_line` gets what the pod waits for, if it waits long.
    """
    began, found, reported = time.monotonic(), "no pod", ""
    start_wait = began  # from when it had a node, or its time to wait for one was over
    while (now := time.monotonic()) < start_wait + START_SECONDS:
        pods = patiently(partial(_pods_of, api, namespace, job))
        if pods and pods[0].status.phase != "Pending":
            return str(pods[0].metadata.name)
        found = waiting_for(pods[0]) if pods else _why_no_pod(api, namespace, job)
        if pods and pods[0].spec.node_name is None and now < began + job.room_seconds:
            start_wait = now
        if found != reported and now > began + QUIET_SECONDS:
            on_line(f"job {job.name} waits: {found}")
            reported = found
        time.sleep(POLL_SECONDS)
    raise ClusterError(
        f"job {job.name} in {namespace}",
        expected=f"a pod that starts within {START_SECONDS:.0f} s",
        found=found,
        next_step=f"run `kubectl describe job {job.name} -n {namespace}`; "
        "`titlebout doctor` names what is missing",
    )


def _pods_of(api: Api, namespace: str, job: Job) -> list[Any]:
    with api.asking(f"list pods in {namespace}"):
        return list(
            api.core.list_namespaced_pod(namespace, label_selector=f"job-name={job.name}").items
        )


def _why_no_pod(api: Api, namespace: str, job: Job) -> str:
    """Return why there is no pod. A quota or an admission policy says so in the Job's events."""
    events = _events_of(api, namespace, job.name)
    return next(
        (str(event.message) for event in reversed(events) if event.type == "Warning"), "no pod"
    )


def _events_of(api: Api, namespace: str, name: str) -> list[Any]:
    with api.asking(f"list events in {namespace}"):
        return list(
            api.core.list_namespaced_event(
                namespace, field_selector=f"involvedObject.name={name}"
            ).items
        )


def _follow_log(api: Api, namespace: str, pod: str, on_line: Callable[[str], None]) -> None:
    """Pass each line on once, until the pod has ended.

    A broken connection is opened again, and an API server may be away for a while.
    """
    passed, answered = 0, time.monotonic()
    while True:
        try:
            for number, line in enumerate(_log_lines(api, namespace, pod)):
                if number >= passed:
                    on_line(line)
                    passed += 1
            if _has_ended(api, namespace, pod):
                return
            answered = time.monotonic()
        except ClusterError:
            if time.monotonic() - answered > AWAY_SECONDS:
                raise
        time.sleep(POLL_SECONDS)


def _log_lines(api: Api, namespace: str, pod: str) -> Iterator[str]:
    """Yield the log's lines from its beginning, as far as the connection brings them.

    A line that a silent connection cut is not yielded. The next connection brings it whole.
    """
    from urllib3.exceptions import ReadTimeoutError

    rest = b""
    with api.asking(f"read the log of pod {namespace}/{pod}"), suppress(ReadTimeoutError):
        log = api.core.read_namespaced_pod_log(
            pod,
            namespace,
            follow=True,
            _preload_content=False,
            _request_timeout=(CALL_SECONDS, SILENT_SECONDS),
        )
        for piece in log.stream():
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        if rest:
            yield rest.decode(errors="replace")


def _has_ended(api: Api, namespace: str, pod: str) -> bool:
    found = api.find(api.core.read_namespaced_pod, pod, namespace)
    return found is None or found.status.phase in ("Succeeded", "Failed")


def _exit_code(api: Api, namespace: str, job: Job, pod: str) -> int:
    """Return the exit code after the log's end; the Job's own state follows a moment later.

    Raise ClusterError for a pod that was taken away.
    """
    # the API server's own deadline comes before this one
    if succeeded(api, namespace, job.name, seconds=job.longest_seconds):
        return 0
    if (code := _container_exit_code(api, namespace, pod)) is None:
        raise ClusterError(
            f"job {job.name} in {namespace}",
            expected="a pod that runs to its end",
            found=_why_taken(api, namespace, job, pod),
            next_step="run the command again; `kubectl get events` tells what took its place",
        )
    return code or KILLED


def succeeded(api: Api, namespace: str, name: str, *, seconds: float) -> bool:
    """Wait for the Job's end. Raise ClusterError if it does not come."""
    found = wait_until(
        lambda: patiently(partial(api.find, api.batch.read_namespaced_job, name, namespace)),
        lambda job: job is None or _end_of(job) is not None,
        seconds=seconds,
        poll_seconds=POLL_SECONDS,
    )
    if found is not None and (end := _end_of(found)) is not None:
        return end == COMPLETE
    raise ClusterError(
        f"job {name} in {namespace}",
        expected="to end",
        found="it was deleted, or still runs",
        next_step="run the command again",
    )


def _why_taken(api: Api, namespace: str, job: Job, pod: str) -> str:
    """Return what the scheduler or the node said when it took the pod, else what ended the Job."""
    reasons = [
        f"{event.reason}: {event.message}"
        for event in _events_of(api, namespace, pod)
        if event.reason in TAKEN
    ]
    found = api.find(api.batch.read_namespaced_job, job.name, namespace)
    conditions = [
        f"{one.reason}: {one.message}"
        for one in (found.status.conditions or () if found else ())
        if one.type == FAILED
    ]
    return next(iter([*reasons, *conditions]), "no pod, and no event that says why")


def _container_exit_code(api: Api, namespace: str, pod: str) -> int | None:
    found = patiently(partial(api.find, api.core.read_namespaced_pod, pod, namespace))
    statuses = (found.status.container_statuses or ()) if found else ()
    return next(
        (status.state.terminated.exit_code for status in statuses if status.state.terminated), None
    )
