"""Check helm/batch on a cluster: admitted as `restricted`, suspended, one Job per table."""

import secrets
import subprocess
from pathlib import Path

import pytest

from titlebout.cluster import Api, Helm
from titlebout.spec import ClusterError

CHART = Path(__file__).parents[2] / "helm" / "batch"
# These tests check admission; no pod needs to start.
VALUES = {
    "image": f"localhost:5000/titlebout/platform@sha256:{'0' * 64}",
    "model": "flights",
    "environment": "prod",
}
SCORE = {"input": "s3://titlebout/in.csv", "output": "s3://titlebout/out.parquet"}


@pytest.fixture
def namespace():
    """Create a namespace with Pod Security `restricted`, as a team's is.

    It is deleted afterwards.
    """
    api, name = Api(None), f"strat-{secrets.token_hex(3)}"
    api.core.create_namespace(
        {"metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    )
    api.core.create_namespaced_service_account(name, {"metadata": {"name": "training"}})
    try:
        yield name
    finally:
        api.core.delete_namespace(name)


def install(namespace: str, name: str = "flights-batch", **values) -> None:
    """Install the chart with values that differ from the tests' own."""
    Helm(None).upgrade(name, CHART, namespace=namespace, values={**VALUES, **values})


def pods_after(namespace: str, job: str) -> list:
    """Return the Job's pods once the controller has made one. Fail if it was refused."""
    selector = f"involvedObject.name={job}"
    subprocess.run(
        [
            "kubectl",
            "-n",
            namespace,
            "wait",
            "--for=jsonpath={.status.active}=1",
            f"job/{job}",
            "--timeout=30s",
        ],
        check=True,
    )
    events = Api(None).core.list_namespaced_event(namespace, field_selector=selector).items
    assert "FailedCreate" not in {event.reason for event in events}
    return Api(None).core.list_namespaced_pod(namespace, label_selector=f"job-name={job}").items


def test_scoring_is_a_job_that_restricted_admits(namespace):
    """The scoring pod has the label part=batch and no token."""
    install(namespace, "flights-score", score=SCORE)
    (pod,) = pods_after(namespace, "flights-score")
    assert pod.metadata.labels["titlebout.io/part"] == "batch"
    assert pod.spec.automount_service_account_token is False


def test_the_same_table_again_is_the_same_job(namespace):
    """A second request for the same table leaves the first Job alone."""
    install(namespace, "flights-score", score=SCORE)
    before = [job.metadata.uid for job in Api(None).batch.list_namespaced_job(namespace).items]
    install(namespace, "flights-score", score=SCORE)
    assert [
        job.metadata.uid for job in Api(None).batch.list_namespaced_job(namespace).items
    ] == before


def test_monitoring_is_suspended_and_can_be_started_once(namespace):
    """The CronJob is suspended, and a Job made from it is admitted with part=monitor."""
    install(namespace, monitor={"enabled": True, "schedule": "* * * * *"})
    (cron,) = Api(None).batch.list_namespaced_cron_job(namespace).items
    assert (cron.metadata.name, cron.spec.suspend) == ("flights-monitor", True)
    subprocess.run(
        ["kubectl", "-n", namespace, "create", "job", "once", "--from=cronjob/flights-monitor"],
        check=True,
    )
    (pod,) = pods_after(namespace, "once")
    assert pod.metadata.labels["titlebout.io/part"] == "monitor"


@pytest.mark.parametrize(
    "wrong",
    [{"image": "titlebout/platform:latest"}, {"unknown": 1}, {"score": {"input": "s3://a/b.csv"}}],
    ids=["tag", "unknown", "no output"],
)
def test_wrong_values_are_refused(namespace, wrong):
    """Refuse an image by tag, an unknown value, and a score without an output."""
    with pytest.raises(ClusterError):
        install(namespace, **wrong)
