"""Helm and kubectl as programs: what is made of what they print, with others in their place that print it."""

import sys
from pathlib import Path

import pytest

from titlebout.cluster import Helm, tunnel
from titlebout.spec import ClusterError

WEBHOOK = 'failed calling webhook "policy.example.com": context deadline exceeded'
NO_RELEASE = "case $1 in status) echo 'Error: release: not found' >&2; exit 1;; esac"
CHART = Path("helm/serving")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes the one that is found beside this Python."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    def make(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return make


def put_namespace(api_server, *pods: dict) -> None:
    for kind, items in (("pods", pods), ("events", ())):
        api_server.objects[f"/api/v1/namespaces/ring-prod/{kind}"] = {"items": list(items)}


def upgrade(wait_seconds: float | None) -> None:
    Helm(None).upgrade("flights-blue", CHART, namespace="ring-prod", values={}, wait_seconds=wait_seconds)


def test_a_deadline_where_nothing_was_waited_for_is_told_in_helm_s_words(program):
    """It is somebody else's, such as a webhook's."""
    program("helm", f"{NO_RELEASE}; echo 'Error: {WEBHOOK}' >&2; exit 1")
    with pytest.raises(ClusterError, match=f"expected helm to succeed; found Error: {WEBHOOK}"):
        upgrade(None)


def test_a_deadline_while_waiting_is_told_with_helm_s_words(program, api_server):
    """After the pods' reasons, if there are any; so the cause is never lost."""
    program("helm", f"{NO_RELEASE}; echo 'Error: {WEBHOOK}' >&2; exit 1")
    put_namespace(api_server)
    with pytest.raises(ClusterError, match=f"within 5 s; found no pod that is unready now; Helm says: Error: {WEBHOOK}"):
        upgrade(5)
    put_namespace(api_server, {"metadata": {"name": "flights-blue-x"}, "status": {"phase": "Pending"}})
    with pytest.raises(ClusterError, match=f"found pod flights-blue-x: a pending pod; Helm says: Error: {WEBHOOK}"):
        upgrade(5)


def test_a_tunnel_is_open_when_kubectl_says_so(program):
    """On the port that it took."""
    program("kubectl", "echo 'Forwarding from 127.0.0.1:41233 -> 8333'; exec sleep 60")
    with tunnel(None, "ring-prod", "storage", 8333) as address:
        assert address == "http://127.0.0.1:41233"


def test_a_tunnel_that_does_not_open_is_told_in_kubectl_s_words(program):
    """It ends, and why is on its standard error."""
    program("kubectl", "echo 'error: no running pod' >&2; exit 1")
    with pytest.raises(ClusterError, match="found error: no running pod"), tunnel(None, "ring-prod", "storage", 8333):
        pass
