"""Run Helm and kubectl as programs: others in their place print what they would."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from titlebout.cluster import Helm, tunnel
from titlebout.spec import ClusterError

WEBHOOK = 'failed calling webhook "policy.example.com": context deadline exceeded'
NO_RELEASE = "case $1 in status) echo 'Error: release: not found' >&2; exit 1;; esac"
CHART = Path("helm/serving")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that makes the program found beside this Python."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    def make(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return make


def put_namespace(api_server, *pods: dict, jobs: tuple[dict, ...] = ()) -> None:
    for group, kind, items in (
        ("api/v1", "pods", pods),
        ("api/v1", "events", ()),
        ("apis/batch/v1", "jobs", jobs),
    ):
        api_server.objects[f"/{group}/namespaces/ring-prod/{kind}"] = {"items": list(items)}


def upgrade(wait_seconds: float | None) -> None:
    Helm(None).upgrade(
        "flights-blue", CHART, namespace="ring-prod", values={}, wait_seconds=wait_seconds
    )


def test_a_deadline_where_nothing_was_waited_for_is_told_in_helm_s_words(program):
    """Report another program's deadline, such as a webhook's, in Helm's words."""
    program("helm", f"{NO_RELEASE}; echo 'Error: {WEBHOOK}' >&2; exit 1")
    with pytest.raises(ClusterError, match=f"expected helm to succeed; found Error: {WEBHOOK}"):
        upgrade(None)


def test_a_deadline_while_waiting_is_told_with_helm_s_words(program, api_server):
    """Add Helm's words after the pods' reasons, so that the cause is never lost."""
    program("helm", f"{NO_RELEASE}; echo 'Error: {WEBHOOK}' >&2; exit 1")
    put_namespace(api_server)
    with pytest.raises(
        ClusterError,
        match=f"within 5 s; found everything ready, but too late; Helm says: Error: {WEBHOOK}",
    ):
        upgrade(5)
    put_namespace(
        api_server, {"metadata": {"name": "flights-blue-x"}, "status": {"phase": "Pending"}}
    )
    with pytest.raises(
        ClusterError, match=f"found pod flights-blue-x: a pending pod; Helm says: Error: {WEBHOOK}"
    ):
        upgrade(5)


READY = [{"type": "Ready", "status": "True"}]


def test_a_job_that_has_not_ended_is_named(program, api_server):
    """Name a Job that has not ended: its pod is ready as long as it runs."""
    program("helm", f"{NO_RELEASE}; echo 'Error: {WEBHOOK}' >&2; exit 1")
    pod = {
        "metadata": {"name": "mlflow-setup-1-x"},
        "status": {"phase": "Running", "conditions": READY},
    }
    job = {
        "metadata": {"name": "mlflow-setup-1"},
        "spec": {"template": {"spec": {"containers": []}}},
        "status": {"active": 1, "failed": 2},
    }
    put_namespace(api_server, pod, jobs=(job,))
    with pytest.raises(
        ClusterError, match="found job mlflow-setup-1: has not ended; 1 pods run, 2 failed; Helm"
    ):
        upgrade(5)
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    put_namespace(api_server, pod, jobs=(job,))
    with pytest.raises(ClusterError, match="found everything ready"):
        upgrade(5)
    job["status"] = {
        "conditions": [
            {"type": "Failed", "status": "True", "message": "has reached the backoff limit"}
        ]
    }
    put_namespace(api_server, jobs=(job,))
    with pytest.raises(
        ClusterError, match="found job mlflow-setup-1: failed: has reached the backoff limit; Helm"
    ):
        upgrade(5)


@pytest.mark.parametrize("state", ["state", "lastState"])
def test_a_container_that_ended_a_moment_ago_is_named(program, api_server, state):
    """Name a container that ended a moment ago, with its last words, and not one of long ago.

    Its pod may be ready again, or have failed for good.
    """
    program("helm", f"{NO_RELEASE}; echo 'Error: {WEBHOOK}' >&2; exit 1")

    def put(when: datetime) -> None:
        end = {
            "exitCode": 137,
            "reason": "OOMKilled",
            "message": "last\nwords",
            "finishedAt": when.isoformat(),
        }
        status = {
            "name": "mlflow",
            "image": "i",
            "imageID": "i",
            "ready": True,
            "restartCount": 3,
            state: {"terminated": end},
        }
        pod = {"phase": "Running", "conditions": READY, "containerStatuses": [status]}
        put_namespace(api_server, {"metadata": {"name": "mlflow-x"}, "status": pod})

    put(datetime.now(UTC))
    with pytest.raises(
        ClusterError,
        match=r"found pod mlflow-x: mlflow ended with code 137 \(OOMKilled\), "
        r"restarted 3 times: last words; Helm",
    ):
        upgrade(5)
    put(datetime.now(UTC) - timedelta(days=7))
    with pytest.raises(ClusterError, match="found everything ready"):
        upgrade(5)


def test_a_tunnel_is_open_when_kubectl_says_so(program):
    """Open the tunnel on the port that kubectl took."""
    program("kubectl", "echo 'Forwarding from 127.0.0.1:41233 -> 8333'; exec sleep 60")
    with tunnel(None, "ring-prod", "storage", 8333) as address:
        assert address == "http://127.0.0.1:41233"


def test_a_tunnel_that_does_not_open_is_told_in_kubectl_s_words(program):
    """Report kubectl's own error if the tunnel does not open."""
    program("kubectl", "echo 'error: no running pod' >&2; exit 1")
    with (
        pytest.raises(ClusterError, match="found error: no running pod"),
        tunnel(None, "ring-prod", "storage", 8333),
    ):
        pass
