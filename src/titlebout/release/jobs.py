"""A piece of a release that runs in the namespace, where latency is the cluster's own: a Job of the platform image."""

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from titlebout.spec import ClusterError, Record, RolloutError, kubernetes

if TYPE_CHECKING:
    from titlebout.cluster import Api

SERVICE_ACCOUNT = "releaser"
POLL_SECONDS = 0.5
KEPT_SECONDS = 600  # a Job that ended stays so long, for a person who wants its log
START_SECONDS = 120.0  # pulling the platform image the first time, and importing
USER = 1034
RESULT = "titlebout-result "  # begins the line of the log that holds the result
LOG_CHARACTERS = 700


def run_job(api: "Api", namespace: str, *, model: str, purpose: str, image: str, task: Record, seconds: float) -> dict[str, Any]:
    """What `titlebout.release.in_cluster PURPOSE` came to; raises RolloutError if the Job failed or took longer than `seconds`."""
    name = f"{model}-{purpose}-{secrets.token_hex(3)}"
    job = _job(name, model=model, image=image, arguments=[purpose, task.canonical_json()], deadline=seconds + START_SECONDS)
    with api.asking(f"create job {namespace}/{name}"):
        api.batch.create_namespaced_job(namespace, job)
    try:
        log = _ended(api, namespace, name, seconds=seconds + START_SECONDS)
    except BaseException:
        api.batch.delete_namespaced_job(name, namespace, propagation_policy="Background")
        raise
    line = next((line for line in reversed(log.splitlines()) if line.startswith(RESULT)), None)
    if line is None:
        raise RolloutError(
            f"job {name} in {namespace}",
            expected="a result in its log",
            found=" ".join(log.split())[-LOG_CHARACTERS:] or "an empty log: it never started, or was killed",
            next_step=f"kubectl describe job {name} -n {namespace}",
        )
    return dict(json.loads(line.removeprefix(RESULT)))


def _ended(api: "Api", namespace: str, name: str, *, seconds: float) -> str:
    """The log of the Job's pod once it has ended, or was told to by its own deadline."""
    deadline = time.monotonic() + seconds + START_SECONDS  # the API server's own deadline comes first
    while time.monotonic() < deadline:
        job = api.find(api.batch.read_namespaced_job, name, namespace)
        if job is None:
            raise RolloutError(f"job {name}", expected="to end", found="somebody deleted it", next_step="run the command again")
        if job.status.succeeded or job.status.failed:
            return _log(api, namespace, name)
        time.sleep(POLL_SECONDS)
    raise RolloutError(f"job {name}", expected=f"an end in {seconds:.0f} s", found="none", next_step=f"kubectl describe job {name}")


def _log(api: "Api", namespace: str, name: str) -> str:
    try:
        with api.asking(f"read the log of job {namespace}/{name}"):
            pods = api.core.list_namespaced_pod(namespace, label_selector=f"job-name={name}").items
            return str(api.core.read_namespaced_pod_log(pods[0].metadata.name, namespace)) if pods else ""
    except ClusterError as error:
        return str(error)


def _job(name: str, *, model: str, image: str, arguments: list[str], deadline: float) -> dict[str, Any]:
    labels = {kubernetes.LABEL_PART: "release", kubernetes.LABEL_MODEL: model}
    container = {
        "name": "release",
        "image": image,
        "command": ["python", "-m", "titlebout.release.in_cluster"],
        "args": arguments,
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}],  # noqa: S108 (the emptyDir below)
        "resources": {"requests": {"cpu": "100m", "memory": "192Mi"}, "limits": {"cpu": "2", "memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }
    pod = {
        "restartPolicy": "Never",
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,  # it sends requests and asks the API server nothing
        "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(deadline),
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
