"""Check that load adds pods to the live slot, and that no request is lost when they come and go."""

import json
import time

import pytest
from support.two_teams import kubectl

from titlebout.cluster import Helm, merged
from titlebout.images import noted_images

MODEL = "cancer"
RATE = 250.0  # a second: more than 60 % of what two pods request
# The metrics server measures every 15 s, and so does the autoscaler.
GROW_SECONDS = 120.0
SHRINK_SECONDS = 240.0
SEND_LOAD = """
import json, sys
from titlebout.loadgen import Load, run_load, summary
load = Load(
    sys.argv[1] + "/predict",
    bodies=[json.loads(sys.argv[2])],
    rate=float(sys.argv[3]),
    request_id_prefix="titlebout-probe-scale-",
)
load.answers = run_load(load, seconds=float(sys.argv[4]))
found = summary(load.answers)
print(json.dumps({name: found[name] for name in ("sent", "failed", "p99_ms")}))
"""


@pytest.fixture
def small_slot(released_twice):
    """Give the live slot small requests and a short memory.

    So this load is high for it, and it notices the end of the load soon.
    """
    helm, name, namespace = (
        Helm(None),
        live_deployment(released_twice),
        released_twice.namespace("prod"),
    )
    before = helm.values(name, namespace=namespace)
    changed = {"replicas": {"minimum": 2, "maximum": 4, "cpuPercent": 60, "shrinkAfterSeconds": 15}}
    helm.upgrade(
        name,
        released_twice.project / "helm/serving",
        namespace=namespace,
        values=merged(before, changed),
        wait_seconds=120,
    )
    yield released_twice
    helm.upgrade(
        name,
        released_twice.project / "helm/serving",
        namespace=namespace,
        values=before,
        wait_seconds=120,
    )


def test_pods_come_with_the_load_and_go_with_it(small_slot):
    """Pods are added under load and removed after it, and no request fails."""
    namespace = small_slot.namespace("prod")
    heavy = start_load_job(small_slot, "heavy", rate=RATE, seconds=GROW_SECONDS)
    light = start_load_job(
        small_slot, "light", rate=10.0, seconds=GROW_SECONDS + SHRINK_SECONDS / 2
    )
    wait_until(lambda: replica_count(small_slot) > 2, seconds=GROW_SECONDS)
    wait_until(
        lambda: replica_count(small_slot) == 2 and has_succeeded(small_slot, heavy),
        seconds=GROW_SECONDS + SHRINK_SECONDS,
    )
    for job in (heavy, light):
        kubectl("wait", "--for=condition=complete", f"job/{job}", "--timeout=300s", "-n", namespace)
        found = json.loads(kubectl("logs", f"job/{job}", "-n", namespace).splitlines()[-1])
        assert found["sent"] > 0
        assert found["failed"] == 0


def start_load_job(fork, name, *, rate, seconds):
    """Start a Job that sends requests to the live Service and prints how many failed."""
    from titlebout.cluster.job import Job

    row = json.dumps(example_row(fork))
    url = f"http://{MODEL}.{fork.namespace('prod')}.svc"
    command = ("python", "-c", SEND_LOAD, url, row, str(rate), str(seconds))
    job = Job(
        name=f"{name}-{int(time.time())}",
        part="release",
        image=noted_images(fork.project)["platform"],
        command=command,
        account="releaser",
        seconds=900,
    )
    kubectl(
        "create",
        "-n",
        fork.namespace("prod"),
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": "batch/v1", "kind": "Job", **job.manifest()}),
    )
    return job.name


def example_row(fork):
    """Return the example row of the live model's OpenAPI page."""
    path = f"/api/v1/namespaces/{fork.namespace('prod')}/services/{MODEL}:80/proxy/openapi.json"
    operation = json.loads(kubectl("get", "--raw", path))["paths"]["/predict"]["post"]
    return operation["requestBody"]["content"]["application/json"]["example"]


def live_deployment(fork):
    """Return the name of the live slot's Deployment."""
    found = json.loads(kubectl("get", "service", MODEL, "-n", fork.namespace("prod"), "-o", "json"))
    return f"{MODEL}-{found['spec']['selector']['titlebout.io/slot']}"


def replica_count(fork):
    """Return how many pods the live slot's Deployment asks for."""
    return int(
        kubectl(
            "get",
            "deployment",
            live_deployment(fork),
            "-n",
            fork.namespace("prod"),
            "-o",
            "jsonpath={.spec.replicas}",
        )
    )


def has_succeeded(fork, job):
    """Return whether the Job has succeeded."""
    return bool(
        kubectl(
            "get", "job", job, "-n", fork.namespace("prod"), "-o", "jsonpath={.status.succeeded}"
        )
    )


def wait_until(condition, *, seconds):
    """Wait until the condition holds. Raise AssertionError when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not hold within {seconds:g} s"
        time.sleep(2)
