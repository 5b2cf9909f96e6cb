"""Train, release and roll back in a team's namespaces, also while parts are killed."""

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


def test_two_releases_and_a_rollback(released_twice):
    """Each release takes the traffic, is settled and recorded; the rollback goes to the first one.

    Image, model and threshold go back together.
    """
    if history(released_twice)[-1]["kind"] == "rolled_back":  # by a test before this one
        switch_to_other_slot(released_twice)
    kinds = [entry["kind"] for entry in history(released_twice)]
    assert kinds[:5] == ["switched", "settled", "overridden", "switched", "settled"]
    last_switch = [entry for entry in history(released_twice) if entry["kind"] == "switched"][-1]
    assert live_release(released_twice) == last_switch["to_release"]
    released_twice.run("rollback", MODEL, "--env", "prod", "--reason", "a test")
    eventually(lambda: live_release(released_twice) == last_switch["from_release"])
    last = history(released_twice)[-1]
    assert (last["kind"], last["to_release"], last["reason"]) == (
        "rolled_back",
        last_switch["from_release"],
        "a test",
    )
    assert released_twice.run("verify", "--env", "prod").returncode == 0


def test_a_stored_table_is_scored_by_what_is_live(released_twice):
    """A Job scores a stored table with the Champion; the same request again writes nothing."""
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
    with released_twice.store("prod") as store:
        store.upload_file(
            str(released_twice.project / "models" / MODEL / "table.csv"), "titlebout", source
        )
        released_twice.run(*asked_for)
        scored = pd.read_parquet(
            io.BytesIO(store.get_object(Bucket="titlebout", Key=out)["Body"].read())
        )
        written = store.head_object(Bucket="titlebout", Key=out)["LastModified"]
        released_twice.run(*asked_for)
        assert store.head_object(Bucket="titlebout", Key=out)["LastModified"] == written
    assert len(scored) == 569
    assert set(scored["release"]) == {live_release(released_twice)}
    assert set(scored["prediction"]) == {"malignant", "benign"}


def test_kubectl_alone_rolls_back_and_forth(released_twice):
    """Ledger and alias follow one `kubectl patch` within five seconds."""
    before = live_release(released_twice)
    patch_to_other_slot(released_twice)
    eventually(lambda: live_release(released_twice) != before)
    eventually(lambda: is_followed(released_twice), seconds=FOLLOWS_SECONDS)


def test_a_switch_whose_answer_is_lost_is_one_switch(released_twice, monkeypatch):
    """A switch whose answer is lost is looked up, and not done again."""
    slots = open_kubernetes_slots(
        released_twice.project,
        MODEL,
        Cluster(images=released_twice.images),
        namespace=released_twice.namespace("prod"),
    )
    update, entries = slots.api.core.patch_namespaced_service, len(history(released_twice))

    def lose_answer(*arguments, **options):
        update(*arguments, **options)
        monkeypatch.undo()
        raise OSError("the connection was reset")

    monkeypatch.setattr(slots.api.core, "patch_namespaced_service", lose_answer)
    change = slots.switch(
        slots.other(),
        kind="rolled_back",
        by="a test",
        reason="lost",
        evidence={},
        after=slots.live().number,
    )
    assert slots.live() == change
    eventually(lambda: is_followed(released_twice), seconds=FOLLOWS_SECONDS)
    assert [entry["reason"] for entry in history(released_twice)[entries:]] == ["lost"]


def test_a_rollback_while_mlflow_is_down(released_twice):
    """Traffic and ledger move at once, and the alias when MLflow is back."""
    namespace = released_twice.namespace("prod")
    before = live_release(released_twice)
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
        patch_to_other_slot(released_twice)
        eventually(lambda: live_release(released_twice) != before)
        eventually(
            lambda: ledger_release(released_twice) == live_release(released_twice),
            seconds=FOLLOWS_SECONDS,
        )
        assert not is_followed(released_twice)
    finally:
        kubectl("scale", "deployment/mlflow", "--replicas=1", "--namespace", namespace)
    eventually(lambda: is_followed(released_twice), seconds=BACK_SECONDS)


@pytest.mark.parametrize(
    "killed",
    ["titlebout.io/part=registrar", "titlebout.io/part=database", "titlebout.io/part=mlflow"],
)
def test_a_rollback_while_something_is_killed(released_twice, killed):
    """A part that is killed during the patch does not change the end state."""
    before, entries = live_release(released_twice), len(history(released_twice))
    kubectl(
        "delete",
        "pod",
        "--grace-period=0",
        "--force",
        "--selector",
        killed,
        "--namespace",
        released_twice.namespace("prod"),
    )
    patch_to_other_slot(released_twice)
    eventually(lambda: live_release(released_twice) != before)
    eventually(lambda: is_followed(released_twice), seconds=BACK_SECONDS)
    assert len(history(released_twice)) == entries + 1
    assert released_twice.run("verify", "--env", "prod").returncode == 0


def test_serving_pods_are_killed(released_twice):
    """The same release answers again after all pods of the live slot were killed."""
    before = live_release(released_twice)
    kubectl(
        "delete",
        "pod",
        "--grace-period=0",
        "--force",
        f"--selector=titlebout.io/slot={live_slot(released_twice)}",
        "-n",
        released_twice.namespace("prod"),
    )
    eventually(lambda: live_release(released_twice) == before, seconds=BACK_SECONDS)
    assert is_followed(released_twice)


def test_upgrades_and_rollbacks_of_charts_leave_the_live_slot(released_twice, installed_fork):
    """Upgrades and rollbacks of slot charts, and `team apply`, move no traffic."""
    before, live = live_release(released_twice), live_slot(released_twice)
    for name in (f"{MODEL}-blue", f"{MODEL}-green"):
        values = subprocess.run(
            ["helm", "get", "values", name, "-n", released_twice.namespace("prod"), "-o", "json"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        subprocess.run(
            [
                "helm",
                "upgrade",
                name,
                str(released_twice.project / "helm/serving"),
                "-n",
                released_twice.namespace("prod"),
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
            ["helm", "rollback", name, "-n", released_twice.namespace("prod"), "--wait"],
            capture_output=True,
            check=True,
        )
    installed_fork.run("team", "apply", released_twice.team)
    assert (live_release(released_twice), live_slot(released_twice)) == (before, live)


def test_a_slot_begins_with_as_many_pods_as_the_live_one(released_twice):
    """A new slot starts with the number of pods to which the live one has grown."""
    namespace, live = released_twice.namespace("prod"), live_slot(released_twice)
    idle, helm = f"{MODEL}-{SLOTS[live]}", Helm(None)
    before = kubectl(
        "get", f"deployment/{MODEL}-{live}", "-n", namespace, "-o", "jsonpath={.spec.replicas}"
    )
    kubectl("scale", f"deployment/{MODEL}-{live}", "--replicas=5", "-n", namespace)
    try:
        values = helm.values(idle, namespace=namespace)
        chart = released_twice.project / "helm" / "serving"
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
    """Return the model's entries of the ledger."""
    return fork.result("history", MODEL, "--env", "prod")


def live_slot(fork):
    """Return the slot that has the traffic."""
    return json.loads(kubectl("get", "service", MODEL, "-n", fork.namespace("prod"), "-o", "json"))[
        "spec"
    ]["selector"]["titlebout.io/slot"]


def patch_to_other_slot(fork):
    """Move the traffic by the command of docs/rollback.md."""
    patch = json.dumps({"spec": {"selector": {"titlebout.io/slot": SLOTS[live_slot(fork)]}}})
    kubectl("patch", "service", MODEL, "-n", fork.namespace("prod"), "--patch", patch)


def switch_to_other_slot(fork):
    """Switch as a release does it, and return the release that was live before."""
    slots = open_kubernetes_slots(
        fork.project, MODEL, Cluster(images=fork.images), namespace=fork.namespace("prod")
    )
    live, before = slots.live(), live_release(fork)
    slots.switch(
        slots.other(), kind="switched", by="a test", reason="forth", evidence={}, after=live.number
    )
    eventually(lambda: live_release(fork) != before)
    eventually(lambda: is_followed(fork), seconds=FOLLOWS_SECONDS)
    return before


def live_release(fork):
    """Return the release that answers at the live address, or None if none does."""
    path = f"/api/v1/namespaces/{fork.namespace('prod')}/services/{MODEL}:80/proxy/release"
    done = subprocess.run(
        ["kubectl", "get", "--raw", path], capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout)["release"] if done.returncode == 0 else None


def ledger_release(fork):
    """Return the release that is live by the registrar's ledger, or None if it does not answer."""
    found = ask_registrar(fork, f"history/{MODEL}")
    return found[-1]["to_release"] if found else None


def is_followed(fork):
    """Return whether ledger and alias agree with the traffic."""
    found = ask_registrar(fork, "status")
    # A registrar that has just started may not have read the Service yet.
    live = found["live"].get(MODEL) if found else None
    return live is not None and not live["behind"] and ledger_release(fork) == live_release(fork)


def ask_registrar(fork, path):
    """Return the registrar's answer through the API server, or None if there is none."""
    service = f"/api/v1/namespaces/{fork.namespace('prod')}/services/registrar:8080/proxy/{path}"
    done = subprocess.run(
        ["kubectl", "get", "--raw", service], capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def eventually(holds, *, seconds=20.0):
    """Wait until the condition holds. Raise AssertionError when the time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"did not hold within {seconds:g} s"
        time.sleep(0.25)
