"""Run the release transaction on a real cluster.

Service, Lease, chart releases and Jobs are real; the server in the slots is small.
"""

import subprocess
import threading
import time

import pytest
from support.cluster_project import (
    MODEL,
    NAMESPACE,
    STANDIN,
    TEAM,
    ClusterProject,
    kubectl,
    start_registrar,
    stop_registrar,
)
from support.killed_process import release_in_killed_process

from titlebout.spec import Busy, ClusterError, NotAllowed, RolloutError, canonical_json

MOST_STEPS = 40  # a release reports about fifteen


@pytest.fixture(scope="module", autouse=True)
def namespace(images):
    """Create a team's namespace as far as a release needs it, with a registrar.

    A release waits for the registrar's ledger.
    """
    labels = [
        f"titlebout.io/team={TEAM}",
        "titlebout.io/environment=prod",
        "pod-security.kubernetes.io/enforce=restricted",
    ]
    subprocess.run(["kubectl", "create", "namespace", NAMESPACE], check=False, capture_output=True)
    subprocess.run(
        ["kubectl", "label", "--overwrite", "namespace", NAMESPACE, *labels],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["kubectl", "-n", NAMESPACE, "create", "serviceaccount", "releaser"],
        check=False,
        capture_output=True,
    )
    account = [
        "secret",
        "generic",
        "mlflow-user-releaser",
        "--from-literal=username=releaser",
        "--from-literal=password=none",
    ]
    subprocess.run(
        ["kubectl", "-n", NAMESPACE, "create", *account], check=False, capture_output=True
    )
    start_registrar(images["platform"])
    yield
    subprocess.run(["kubectl", "delete", "namespace", NAMESPACE], check=True, capture_output=True)


@pytest.fixture
def cluster_project(tmp_path, images, monkeypatch):
    """Make a project in which nothing was ever released."""
    monkeypatch.setenv("TITLEBOUT_PLATFORM_IMAGE", images["platform"])
    made = ClusterProject(tmp_path, serving_image=images["platform"]).build(
        test_seconds=0.2, bake_seconds=0.5
    )
    made.clear()
    yield made
    made.clear()


def test_two_releases_and_a_rollback(cluster_project):
    """The second release takes the other slot, and a rollback gives the traffic back once."""
    _, first = cluster_project.released("a")
    assert cluster_project.answers_with() == first.release
    _, second = cluster_project.released("b")
    assert (cluster_project.answers_with(), second.from_release) == (second.release, first.release)
    assert cluster_project.slots.service().switchable == {"blue", "green"}
    assert not cluster_project.slots.is_unsettled(cluster_project.slots.live())
    assert cluster_project.rollback().state == "rolled back"
    assert eventually(cluster_project.answers_with, first.release)
    assert cluster_project.rollback().state == "already rolled back"


def test_no_release_is_lost_while_the_registrar_is_dead(cluster_project, images):
    """A release ends without a registrar, the next is refused, and a rollback works.

    The next registrar records all of it.
    """
    _, first = cluster_project.released("a")
    cluster_project.challenger(name="b")
    second = cluster_project.release(
        progress=lambda line: stop_registrar() if line.startswith("switch") else None
    )
    try:
        assert (second.state, cluster_project.slots.live().release) == ("released", second.release)
        assert "follow later: the registrar" in second.note
        cluster_project.challenger(name="c")
        before = cluster_project.slots.service().version
        with pytest.raises(
            NotAllowed, match=f"{NAMESPACE} does not answer.*A rollback does not wait"
        ):
            cluster_project.release()
        assert cluster_project.slots.service().version == before
        assert cluster_project.rollback().release == first.release
    finally:
        start_registrar(images["platform"])
    moves = [
        ("switched", first.release),
        ("switched", second.release),
        ("rolled_back", first.release),
    ]
    assert eventually(
        lambda: [move for move in cluster_project.kinds() if move[0] != "settled"], moves
    )
    cluster_project.challenger(name="d")
    assert cluster_project.release().state == "released"


def test_a_slot_that_fails_its_tests_never_has_the_traffic(cluster_project):
    """The live release answers as before, and no traffic may go to the failed slot."""
    _, first = cluster_project.released("a")
    cluster_project.require_p99(p99_ms=0.01)
    with pytest.raises(RolloutError, match="latency"):
        cluster_project.released("b")
    assert cluster_project.answers_with() == cluster_project.slots.live().release == first.release
    assert cluster_project.slots.service().switchable == {cluster_project.slots.live().slot}
    with pytest.raises(RolloutError, match="roll back to"):
        cluster_project.rollback()


@pytest.mark.parametrize(
    ("gateway", "match"),
    [
        ({}, "expected `kubernetes.gateway`"),
        ({"gateway": {"namespace": "nowhere", "name": "none", "domain": "test"}}, "nowhere/none"),
    ],
    ids=["undeclared", "missing"],
)
def test_a_strategy_without_its_gateway_is_refused_before_anything_is_deployed(
    cluster_project, gateway, match
):
    """Refuse a strategy without its Gateway; a rollback is still possible."""
    _, first = cluster_project.released("a")
    cluster_project.released("b")
    cluster_project.challenger(name="c")
    before = cluster_project.slots.service().version
    cluster_project.declare(
        kubernetes={"images": "localhost:5000/titlebout", **gateway},
        strategies={MODEL: {"kind": "canary"}},
    )
    with pytest.raises(NotAllowed, match=match):
        cluster_project.release()
    assert cluster_project.slots.service().version == before
    assert cluster_project.rollback().release == first.release


def test_values_that_the_chart_refuses_cost_no_way_back(cluster_project):
    """Refuse wrong values before the idle slot is deployed to, so that a rollback is possible."""
    _, first = cluster_project.released("a")
    cluster_project.released("b")
    cluster_project.challenger(name="c")
    before = cluster_project.slots.service().version
    (cluster_project.project / "environments" / "prod" / "serving-values.yaml").write_text(
        "replicas: {minimum: three}\n"
    )
    with pytest.raises(ClusterError, match="replicas"):
        cluster_project.release()
    assert cluster_project.slots.service().version == before
    assert cluster_project.rollback().release == first.release


def test_a_bake_that_fails_goes_back(cluster_project):
    """The traffic returns by itself when the new slot's pods are gone."""
    _, first = cluster_project.released("a")
    cluster_project.challenger(name="b")

    def break_after_switch(line):
        if line.startswith("bake: "):
            kubectl(
                "scale", f"deployment/{MODEL}-{cluster_project.slots.live().slot}", "--replicas=0"
            )
            kubectl(
                "delete",
                "pods",
                "-l",
                f"titlebout.io/slot={cluster_project.slots.live().slot}",
                "--grace-period=0",
                "--force",
            )

    with pytest.raises(RolloutError, match="bake of release"):
        cluster_project.release(progress=break_after_switch)
    assert cluster_project.slots.live().kind == "rolled_back"
    assert eventually(cluster_project.answers_with, first.release)


def test_a_release_that_refuses_its_clients_goes_back(cluster_project):
    """Roll back a release that refuses its clients before the bake's Job has started."""
    _, first = cluster_project.released("a")
    ask_as_client('{"x": 1}', times=20)
    cluster_project.challenger(name="b")

    def ask(line):
        if line.startswith("follow"):
            assert eventually(cluster_project.answers_with, cluster_project.slots.live().release)
            ask_as_client('{"x": 6}', times=20)

    with pytest.raises(
        RolloutError,
        match="requests from clients were answered with 4xx, which the release before answers",
    ):
        cluster_project.release(progress=ask)
    assert cluster_project.slots.live().kind == "rolled_back"
    assert eventually(cluster_project.answers_with, first.release)


def ask_as_client(row, *, times):
    """Send rows from the node to the live Service."""
    address = kubectl("get", "service", MODEL, "-o", "jsonpath={.spec.clusterIP}")
    for _ in range(times):
        subprocess.run(
            ["curl", "-s", "-m", "3", "-o", "/dev/null", "-d", row, f"http://{address}/predict"],
            check=True,
        )


def test_what_is_done_to_the_slots_charts_leaves_the_traffic_alone(cluster_project):
    """Upgrade, rollback and apply of the idle slot's chart change no traffic."""
    cluster_project.released("a")
    cluster_project.released("b")
    slots = cluster_project.slots
    idle, before = f"{MODEL}-{slots.other()}", slots.live()
    values = slots.helm.values(idle, namespace=NAMESPACE)
    slots.helm.upgrade(idle, STANDIN / "serving", namespace=NAMESPACE, values=values)
    subprocess.run(
        ["helm", "rollback", idle, "1", "-n", NAMESPACE], check=True, capture_output=True
    )
    manifests = slots.helm.template(idle, STANDIN / "serving", namespace=NAMESPACE, values=values)
    command = ["kubectl", "apply", "--server-side", "--force-conflicts", "-n", NAMESPACE, "-f", "-"]
    subprocess.run(command, input=manifests, text=True, check=True, capture_output=True)
    assert (slots.live(), cluster_project.answers_with()) == (before, before.release)


def test_a_kubectl_patch_is_what_is_live(cluster_project):
    """Commands see the release that a kubectl patch made live, and a rollback does nothing more."""
    _, first = cluster_project.released("a")
    _, second = cluster_project.released("b")
    patch = canonical_json(
        {"spec": {"selector": {"titlebout.io/slot": cluster_project.slots.other()}}}
    )
    kubectl("patch", "service", MODEL, "--patch", patch)
    live = cluster_project.slots.live()
    assert (live.release, live.from_release, live.kind) == (
        first.release,
        second.release,
        "rolled_back",
    )
    assert cluster_project.rollback().state == "already rolled back"


def test_who_saw_another_change_may_not_switch(cluster_project):
    """Refuse a switch that follows a change which is no longer in force."""
    cluster_project.released("a")
    _, second = cluster_project.released("b")
    seen = cluster_project.slots.live().number
    cluster_project.rollback()
    with pytest.raises(NotAllowed, match="somebody else moved"):
        cluster_project.slots.switch(
            "green", kind="switched", by="a test", reason="late", evidence={}, after=seen
        )
    assert cluster_project.slots.live().from_release == second.release


def test_killed_pods_come_back(cluster_project):
    """The same release answers again after all pods of the live slot were killed."""
    _, first = cluster_project.released("a")
    kubectl("delete", "pods", "-l", "titlebout.io/part=serving", "--grace-period=0", "--force")
    assert eventually(cluster_project.answers_with, first.release)


def test_a_second_release_names_the_first_one(cluster_project):
    """Refuse a second release by name of the one that holds the Lease."""
    cluster_project.challenger(name="a")
    refused = []

    def meanwhile(line):
        if line.startswith("deploy"):
            with pytest.raises(Busy, match="a first one"):
                cluster_project.release(wait_seconds=9.0)
            refused.append(line)

    cluster_project.release(by="a first one", progress=meanwhile)
    assert len(refused) == 1


def test_a_release_that_lost_its_lease_moves_no_traffic(cluster_project):
    """Refuse the switch to a release whose Lease another process took."""
    _, first = cluster_project.released("a")
    cluster_project.challenger(name="b")

    def is_taken_over(line):
        if line.startswith("deploy"):
            take_lease("another")

    with pytest.raises(Busy, match="another"):
        cluster_project.release(progress=is_taken_over)
    assert cluster_project.answers_with() == cluster_project.slots.live().release == first.release


def test_a_release_that_lost_its_lease_leaves_the_bake_to_who_has_it(cluster_project):
    """A release without its Lease does not send the traffic back."""
    cluster_project.released("a")
    cluster_project.challenger(name="b")

    def is_taken_over(line):
        if line.startswith("bake"):
            take_lease("another")
            kubectl("delete", "jobs", "--all", "--wait=false")

    with pytest.raises(Busy, match="another"):
        cluster_project.release(progress=is_taken_over)
    live = cluster_project.slots.live()
    assert (live.kind, cluster_project.slots.is_unsettled(live)) == ("switched", True)
    take_lease(None)
    assert cluster_project.release().release == live.release


def test_two_releases_at_once_make_one_switch(cluster_project):
    """The second release waits for the first, finds it done, and adds nothing."""
    cluster_project.challenger(name="a")
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(cluster_project.release(wait_seconds=120)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.state for outcome in outcomes) == ["already live", "released"]


def test_killed_at_every_step_and_run_again_it_ends_the_same(cluster_project):
    """After a kill at any step, the next run ends with one settled switch.

    The Lease passes on, and the old release is ready for a rollback.
    """
    _, base = cluster_project.released("base")
    before, killed = base.release, 0
    for step in range(1, MOST_STEPS):
        cluster_project.challenger(name=f"killed at {step}")
        if not release_in_killed_process(cluster_project, step):
            break
        killed += 1
        outcome = cluster_project.release()
        slots = cluster_project.slots
        assert outcome.release == slots.live().release != before, f"killed at step {step}"
        assert eventually(cluster_project.answers_with, outcome.release), f"killed at step {step}"
        assert slots.deployed(slots.other()).release == slots.live().from_release == before, (
            f"killed at step {step}"
        )
        assert slots.service().switchable == {"blue", "green"}, f"killed at step {step}"
        assert not slots.is_unsettled(slots.live()), f"killed at step {step}"
        before = outcome.release
    assert killed >= 12


def take_lease(holder):
    """Write another holder, or none, into the release's Lease."""
    kubectl(
        "patch",
        "lease",
        f"release-{MODEL}",
        "--type=merge",
        "--patch",
        canonical_json({"spec": {"holderIdentity": holder}}),
    )


def eventually(ask, expected, *, seconds=20.0):
    """Return whether the answer is as expected within the time.

    Nodes learn of a switch within a second; pods take a few.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if ask() == expected:
                return True
        except (subprocess.CalledProcessError, StopIteration):
            pass
        time.sleep(0.2)
    return False
