"""Follow a Job's log over connections that break."""

import dataclasses
import secrets
import time

import pytest
from kubernetes.client.exceptions import ApiException
from support.two_teams import kubectl

from titlebout.cluster import Api
from titlebout.cluster import job as jobs
from titlebout.cluster.job import Job, run_job
from titlebout.spec import ClusterError

SCRIPT = "for line in 1 2 3 4; do echo $line; sleep 2; done; exit 3"


@pytest.fixture
def namespace(platform_base):
    """Create a namespace with the account `training`, and delete it afterwards."""
    name = f"job-{secrets.token_hex(3)}"
    kubectl("create", "namespace", name)
    kubectl("create", "serviceaccount", "training", "--namespace", name)
    yield name
    kubectl("delete", "namespace", name)


def counting_job(image: str) -> Job:
    """Return a Job that prints four lines and ends with exit code 3."""
    return Job(
        name="speaks",
        part="training",
        image=image,
        command=("sh", "-c", SCRIPT),
        account="training",
        seconds=60,
    )


def test_each_line_once_over_connections_that_fall_silent(api, namespace, images, monkeypatch):
    """Each line is printed once although the log's connection falls silent.

    A load balancer drops such a connection. The exit code is the Job's.
    """
    monkeypatch.setattr(jobs, "SILENT_SECONDS", 0.5)
    lines = []
    assert run_job(api, namespace, counting_job(images["platform"]), on_line=lines.append) == 3
    assert lines == ["1", "2", "3", "4"]


class FlakyApi:
    """Fail the first of every three calls to the cluster's API."""

    def __init__(self, real):
        self._real, self._calls = real, 0

    def __getattr__(self, name):
        def call(*arguments, **options):
            self._calls += 1
            if self._calls % 3 == 1:
                raise ApiException(status=503)
            return getattr(self._real, name)(*arguments, **options)

        return call


def test_a_job_over_an_api_server_that_comes_and_goes(api, namespace, images):
    """A Job runs to its end although the API server fails every third call."""
    flaky, lines = Api(api.context), []
    flaky.__dict__.update(batch=FlakyApi(api.batch), core=FlakyApi(api.core))
    assert run_job(flaky, namespace, counting_job(images["platform"]), on_line=lines.append) == 3
    assert lines == ["1", "2", "3", "4"]


def test_a_job_that_somebody_deletes(api, namespace, images):
    """Raise ClusterError if somebody deletes the Job."""

    def delete(_line: str) -> None:
        kubectl(
            "delete",
            "job",
            "speaks",
            "--namespace",
            namespace,
            "--ignore-not-found",
            "--wait=false",
        )

    with pytest.raises(ClusterError, match="it was deleted"):
        run_job(api, namespace, counting_job(images["platform"]), on_line=delete)


def test_a_job_that_finds_no_room_waits_for_a_node_and_says_so(api, namespace, images, monkeypatch):
    """A Job waits for a node with room, and its error has the scheduler's words."""
    monkeypatch.setattr(jobs, "START_SECONDS", 2)
    monkeypatch.setattr(jobs, "QUIET_SECONDS", 1)
    giant = dataclasses.replace(
        counting_job(images["platform"]), memory=("8Ti", "8Ti"), room_seconds=6
    )
    lines, began = [], time.monotonic()
    with pytest.raises(ClusterError, match="Insufficient memory"):
        run_job(api, namespace, giant, on_line=lines.append)
    assert time.monotonic() - began > 6
    assert [line for line in lines if "Insufficient memory" in line]


def test_a_job_whose_pod_is_taken_away(api, namespace, images):
    """Raise ClusterError, and return no exit code, if the pod is evicted."""

    def evict(_line: str) -> None:
        kubectl("delete", "pods", "--all", "--namespace", namespace, "--grace-period=0", "--force")

    with pytest.raises(ClusterError, match=r"a pod that runs to its end.*BackoffLimitExceeded"):
        run_job(api, namespace, counting_job(images["platform"]), on_line=evict)
