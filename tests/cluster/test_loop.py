"""The whole loop in a team's namespaces: train, release, roll back; and what becomes of it when its parts are killed."""

import io
import json
import subprocess
import time

import pandas as pd
import pytest
import yaml
from support.two_teams import kubectl

from titlebout.cluster import Helm
from titlebout.rollout.kubernetes import open_kubernetes_slots
from titlebout.spec import Cluster

MODEL = "cancer"
SLOTS = {"blue": "green", "green": "blue"}
FOLLOWS_SECONDS = 5.0  # what the registrar promises
BACK_SECONDS = 120.0  # an MLflow server or a database that was killed


def test_two_releases_and_a_rollback(twice):
    """Each takes the traffic, is settled, and is in the ledger; the rollback takes image, model and threshold back as one."""
    if history(twice)[-1]["kind"] == "rolled_back":  # by a test before this one
        switch_forth(twice)
    kinds = [entry["kind"] for entry in history(twice)]
    assert kinds[:5] == ["switched", "settled", "overridden", "switched", "settled"]
    moved = [entry for entry in history(twice) if entry["kind"] == "switched"][-1]
    assert answering(twice) == moved["to_release"]
    twice.run("rollback", MODEL, "--env", "prod", "--reason", "a test")
    eventually(lambda: answering(twice) == moved["from_release"])
    last = history(twice)[-1]
    assert (last["kind"], last["to_release"], last["reason"]) == (
        "rolled_back",
        moved["from_release"],
        "a test",
    )
    assert twice.run("verify", "--env", "prod").returncode == 0


def test_a_stored_table_is_scored_by_what_is_live(twice):
    """A Job beside the data; the Champion is resolved at its start, and the same table asked for again is left alone."""
    source, out = "in/cancer.csv", "out/cancer.parquet"
    asked_for = (
        "score",
        MODEL,
        f"s3://titlebout/{source}",
        "--env",
        "prod",
        "--out",
        f"s3://titlebout/{out}",
    )
    with twice.store("prod") as store:
        store.upload_file(str(twice.project / "models" / MODEL / "table.csv"), "titlebout", source)
        twice.run(*asked_for)
        scored = pd.read_parquet(
            io.BytesIO(store.get_object(Bucket="titlebout", Key=out)["Body"].read())
        )
        written = store.head_object(Bucket="titlebout", Key=out)["LastModified"]
        twice.run(*asked_for)
        assert store.head_object(Bucket="titlebout", Key=out)["LastModified"] == written
    assert len(scored) == 569
    assert set(scored["release"]) == {answering(twice)}
    assert set(scored["prediction"]) == {"malignant", "benign"}


def test_kubectl_alone_rolls_back_and_forth(twice):
    """One patch; the registrar's ledger and the registry's alias follow within five seconds."""
    before = answering(twice)
    patch_to_other_slot(twice)
    eventually(lambda: answering(twice) != before)
    eventually(lambda: followed(twice), seconds=FOLLOWS_SECONDS)


def test_a_switch_whose_answer_is_lost_is_one_switch(twice, monkeypatch):
    """The API server did it, and a load balancer dropped its answer: it is looked up, not done again."""
    slots = open_kubernetes_slots(
        twice.project, MODEL, Cluster(images=twice.images), namespace=twice.namespace("prod")
    )
    update, entries = slots.api.core.patch_namespaced_service, len(history(twice))

    def lost(*arguments, **options):
        update(*arguments, **options)
        monkeypatch.undo()
        raise OSError("the connection was reset")

    monkeypatch.setattr(slots.api.core, "patch_namespaced_service", lost)
    change = slots.switch(
        slots.other(),
        kind="rolled_back",
        by="a test",
        reason="lost",
        evidence={},
        after=slots.live().number,
    )
    assert slots.live() == change
    eventually(lambda: followed(twice), seconds=FOLLOWS_SECONDS)
    assert [entry["reason"] for entry in history(twice)[entries:]] == ["lost"]


def test_a_rollback_while_mlflow_is_down(twice):
    """Traffic moves at once, the ledger follows at once, and the alias when MLflow is back."""
    namespace = twice.namespace("prod")
    before = answering(twice)
    kubectl("scale", "deployment/mlflow", "--replicas=0", "--namespace", namespace)
    try:
        kubectl(
            "wait",
            "--for=delete",
            "pod",
            "--selector=titlebout.io/part=mlflow,app.kubernetes.io/component=server",
            "-n",
            namespace,
        )
        patch_to_other_slot(twice)
        eventually(lambda: answering(twice) != before)
        eventually(lambda: ledgered(twice) == answering(twice), seconds=FOLLOWS_SECONDS)
        assert not followed(twice)
    finally:
        kubectl("scale", "deployment/mlflow", "--replicas=1", "--namespace", namespace)
    eventually(lambda: followed(twice), seconds=BACK_SECONDS)


@pytest.mark.parametrize(
    "killed",
    ["titlebout.io/part=registrar", "titlebout.io/part=database", "titlebout.io/part=mlflow"],
)
def test_a_rollback_while_something_is_killed(twice, killed):
    """Without grace, in the moment of the patch: same end state."""
    before, entries = answering(twice), len(history(twice))
    kubectl(
        "delete",
        "pod",
        "--grace-period=0",
        "--force",
        "--selector",
        killed,
        "--namespace",
        twice.namespace("prod"),
    )
    patch_to_other_slot(twice)
    eventually(lambda: answering(twice) != before)
    eventually(lambda: followed(twice), seconds=BACK_SECONDS)
    assert len(history(twice)) == entries + 1
    assert twice.run("verify", "--env", "prod").returncode == 0


def test_serving_pods_are_killed(twice):
    """All pods of the live slot, without grace: the same release answers again."""
    before = answering(twice)
    kubectl(
        "delete",
        "pod",
        "--grace-period=0",
        "--force",
        f"--selector=titlebout.io/slot={slot(twice)}",
        "-n",
        twice.namespace("prod"),
    )
    eventually(lambda: answering(twice) == before, seconds=BACK_SECONDS)
    assert followed(twice)


def test_upgrades_and_rollbacks_of_charts_leave_the_live_slot(twice, installed_fork):
    """helm upgrade and rollback of either slot, and the platform team's upgrade of everything else, move no traffic."""
    before, live = answering(twice), slot(twice)
    for name in (f"{MODEL}-blue", f"{MODEL}-green"):
        values = subprocess.run(
            ["helm", "get", "values", name, "-n", twice.namespace("prod"), "-o", "json"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        subprocess.run(
            [
                "helm",
                "upgrade",
                name,
                str(twice.project / "helm/serving"),
                "-n",
                twice.namespace("prod"),
                "--values",
                "-",
                "--wait",
            ],
            input=values,
            text=True,
            capture_output=True,
            check=True,
        )
        subprocess.run(
            ["helm", "rollback", name, "-n", twice.namespace("prod"), "--wait"],
            capture_output=True,
            check=True,
        )
    installed_fork.run("team", "apply", twice.team)
    assert (answering(twice), slot(twice)) == (before, live)


def test_a_slot_begins_with_as_many_pods_as_the_live_one(twice):
    """What the load has called for is there at the switch."""
    namespace, live = twice.namespace("prod"), slot(twice)
    idle, helm = f"{MODEL}-{SLOTS[live]}", Helm(None)
    before = kubectl(
        "get", f"deployment/{MODEL}-{live}", "-n", namespace, "-o", "jsonpath={.spec.replicas}"
    )
    kubectl("scale", f"deployment/{MODEL}-{live}", "--replicas=5", "-n", namespace)
    try:
        values = helm.values(idle, namespace=namespace)
        chart = twice.project / "helm" / "serving"
        manifests = yaml.safe_load_all(
            helm.template(
                idle, chart, namespace=namespace, values=values, arguments=("--dry-run=server",)
            )
        )
        assert [
            one["spec"]["replicas"] for one in manifests if one and one["kind"] == "Deployment"
        ] == [5]
    finally:
        kubectl("scale", f"deployment/{MODEL}-{live}", f"--replicas={before}", "-n", namespace)


def history(fork):
    return fork.result("history", MODEL, "--env", "prod")


def slot(fork):
    return json.loads(kubectl("get", "service", MODEL, "-n", fork.namespace("prod"), "-o", "json"))[
        "spec"
    ]["selector"]["titlebout.io/slot"]


def patch_to_other_slot(fork):
    """The command of docs/rollback.md."""
    patch = json.dumps({"spec": {"selector": {"titlebout.io/slot": SLOTS[slot(fork)]}}})
    kubectl("patch", "service", MODEL, "-n", fork.namespace("prod"), "--patch", patch)


def switch_forth(fork):
    """To the other slot, as a release does it; the release that had the traffic before."""
    slots = open_kubernetes_slots(
        fork.project, MODEL, Cluster(images=fork.images), namespace=fork.namespace("prod")
    )
    live, before = slots.live(), answering(fork)
    slots.switch(
        slots.other(), kind="switched", by="a test", reason="forth", evidence={}, after=live.number
    )
    eventually(lambda: answering(fork) != before)
    eventually(lambda: followed(fork), seconds=FOLLOWS_SECONDS)
    return before


def answering(fork):
    """The release that answers at the live address, asked through the API server; None if none does."""
    path = f"/api/v1/namespaces/{fork.namespace('prod')}/services/{MODEL}:80/proxy/release"
    done = subprocess.run(
        ["kubectl", "get", "--raw", path], capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout)["release"] if done.returncode == 0 else None


def ledgered(fork):
    """What is live by the registrar's ledger; None while it cannot tell."""
    found = asked(fork, f"history/{MODEL}")
    return found[-1]["to_release"] if found else None


def followed(fork):
    """Whether ledger and alias are where the traffic is."""
    found = asked(fork, "status")
    live = (
        found["live"].get(MODEL) if found else None
    )  # a registrar that has just begun may not have looked yet
    return live is not None and not live["behind"] and ledgered(fork) == answering(fork)


def asked(fork, path):
    """The registrar's answer through the API server; None if there is none."""
    service = f"/api/v1/namespaces/{fork.namespace('prod')}/services/registrar:8080/proxy/{path}"
    done = subprocess.run(
        ["kubectl", "get", "--raw", service], capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def eventually(holds, *, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"did not hold within {seconds:g} s"
        time.sleep(0.25)
