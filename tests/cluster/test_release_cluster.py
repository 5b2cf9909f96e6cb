"""The release transaction on a real cluster: Service, Lease, chart releases and Jobs are real; the server in the slots is small."""

import subprocess
import threading
import time

import pytest
from support.cluster_project import (
    MODEL,
    NAMESPACE,
    STANDIN,
    TEAM,
    ClusterHouse,
    kubectl,
    start_registrar,
    stop_registrar,
)
from support.killed_process import release_in_killed_process

from titlebout.spec import Busy, ClusterError, NotAllowed, RolloutError, canonical_json

MOST_STEPS = 40  # a release reports about fifteen


@pytest.fixture(scope="module", autouse=True)
def namespace(images):
    """A team's namespace, as far as a release needs one, with a registrar: a release waits for its ledger."""
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
def house(tmp_path, images, monkeypatch):
    """Nothing was ever released."""
    monkeypatch.setenv("TITLEBOUT_PLATFORM_IMAGE", images["platform"])
    made = ClusterHouse(tmp_path, serving_image=images["platform"]).build(
        test_seconds=0.2, bake_seconds=0.5
    )
    made.clear()
    yield made
    made.clear()


def test_two_releases_and_a_rollback(house):
    """The second takes the other slot and may be rolled back; the rollback gives the traffic to the first, and does nothing twice."""
    _, first = house.released("a")
    assert house.answers_with() == first.release
    _, second = house.released("b")
    assert (house.answers_with(), second.from_release) == (second.release, first.release)
    assert house.slots.service().switchable == {"blue", "green"}
    assert not house.slots.is_unsettled(house.slots.live())
    assert house.rollback().state == "rolled back"
    assert eventually(house.answers_with, first.release)
    assert house.rollback().state == "already rolled back"


def test_no_release_is_lost_while_the_registrar_is_dead(house, images):
    """It dies at the switch: that release ends, the next is refused, a rollback goes; the next registrar writes all of it."""
    _, first = house.released("a")
    house.challenger(name="b")
    second = house.release(
        progress=lambda line: stop_registrar() if line.startswith("switch") else None
    )
    try:
        assert (second.state, house.slots.live().release) == ("released", second.release)
        assert "follow later: the registrar" in second.note
        house.challenger(name="c")
        before = house.slots.service().version
        with pytest.raises(
            NotAllowed, match=f"{NAMESPACE} does not answer.*A rollback does not wait"
        ):
            house.release()
        assert house.slots.service().version == before
        assert house.rollback().release == first.release
    finally:
        start_registrar(images["platform"])
    moves = [
        ("switched", first.release),
        ("switched", second.release),
        ("rolled_back", first.release),
    ]
    assert eventually(lambda: [move for move in house.kinds() if move[0] != "settled"], moves)
    house.challenger(name="d")
    assert house.release().state == "released"


def test_a_slot_that_fails_its_tests_never_has_the_traffic(house):
    """The live release answers as before, and the failed slot is not among those that traffic may go to."""
    _, first = house.released("a")
    house.demand(p99_ms=0.01)
    with pytest.raises(RolloutError, match="latency"):
        house.released("b")
    assert house.answers_with() == house.slots.live().release == first.release
    assert house.slots.service().switchable == {house.slots.live().slot}
    with pytest.raises(RolloutError, match="roll back to"):
        house.rollback()


@pytest.mark.parametrize(
    ("gateway", "match"),
    [
        ({}, "expected `kubernetes.gateway`"),
        ({"gateway": {"namespace": "nowhere", "name": "none", "domain": "test"}}, "nowhere/none"),
    ],
    ids=["undeclared", "missing"],
)
def test_a_strategy_without_its_gateway_is_refused_before_anything_is_deployed(
    house, gateway, match
):
    """The message names what is missing, and what could be rolled back to still can."""
    _, first = house.released("a")
    house.released("b")
    house.challenger(name="c")
    before = house.slots.service().version
    house.declare(
        kubernetes={"images": "localhost:5000/titlebout", **gateway},
        strategies={MODEL: {"kind": "canary"}},
    )
    with pytest.raises(NotAllowed, match=match):
        house.release()
    assert house.slots.service().version == before
    assert house.rollback().release == first.release


def test_values_that_the_chart_refuses_cost_no_way_back(house):
    """A mistake in serving-values.yaml is found before the idle slot is vacated: on-call can still go there."""
    _, first = house.released("a")
    house.released("b")
    house.challenger(name="c")
    before = house.slots.service().version
    (house.project / "environments" / "prod" / "serving-values.yaml").write_text(
        "replicas: {minimum: three}\n"
    )
    with pytest.raises(ClusterError, match="replicas"):
        house.release()
    assert house.slots.service().version == before
    assert house.rollback().release == first.release


def test_a_bake_that_fails_goes_back(house):
    """The new slot's pods are gone after the switch: the traffic returns by itself."""
    _, first = house.released("a")
    house.challenger(name="b")

    def break_after_switch(line):
        if line.startswith("bake: "):
            kubectl("scale", f"deployment/{MODEL}-{house.slots.live().slot}", "--replicas=0")
            kubectl(
                "delete",
                "pods",
                "-l",
                f"titlebout.io/slot={house.slots.live().slot}",
                "--grace-period=0",
                "--force",
            )

    with pytest.raises(RolloutError, match="bake of release"):
        house.release(progress=break_after_switch)
    assert house.slots.live().kind == "rolled_back"
    assert eventually(house.answers_with, first.release)


def test_a_release_that_refuses_its_clients_goes_back(house):
    """All of it right after the switch, before the bake's Job has started: what was counted before the switch was read then."""
    _, first = house.released("a")
    ask_as_client('{"x": 1}', times=20)
    house.challenger(name="b")

    def ask(line):
        if line.startswith("follow"):
            assert eventually(house.answers_with, house.slots.live().release)
            ask_as_client('{"x": 6}', times=20)

    with pytest.raises(
        RolloutError,
        match="requests from clients were answered with 4xx, which the release before answers",
    ):
        house.release(progress=ask)
    assert house.slots.live().kind == "rolled_back"
    assert eventually(house.answers_with, first.release)


def ask_as_client(row, *, times):
    """From the node, at the live Service."""
    address = kubectl("get", "service", MODEL, "-o", "jsonpath={.spec.clusterIP}")
    for _ in range(times):
        subprocess.run(
            ["curl", "-s", "-m", "3", "-o", "/dev/null", "-d", row, f"http://{address}/predict"],
            check=True,
        )


def test_what_is_done_to_the_slots_charts_leaves_the_traffic_alone(house):
    """helm upgrade and rollback of the idle slot, and kubectl apply of its chart again, change neither selector nor statement."""
    house.released("a")
    house.released("b")
    slots = house.slots
    idle, before = f"{MODEL}-{slots.other()}", slots.live()
    values = slots.helm.values(idle, namespace=NAMESPACE)
    slots.helm.upgrade(idle, STANDIN / "serving", namespace=NAMESPACE, values=values)
    subprocess.run(
        ["helm", "rollback", idle, "1", "-n", NAMESPACE], check=True, capture_output=True
    )
    manifests = slots.helm.template(idle, STANDIN / "serving", namespace=NAMESPACE, values=values)
    command = ["kubectl", "apply", "--server-side", "--force-conflicts", "-n", NAMESPACE, "-f", "-"]
    subprocess.run(command, input=manifests, text=True, check=True, capture_output=True)
    assert (slots.live(), house.answers_with()) == (before, before.release)


def test_a_kubectl_patch_is_what_is_live(house):
    """After one patch of the selector the commands know what is live, and a rollback has nothing more to do."""
    _, first = house.released("a")
    _, second = house.released("b")
    patch = canonical_json({"spec": {"selector": {"titlebout.io/slot": house.slots.other()}}})
    kubectl("patch", "service", MODEL, "--patch", patch)
    live = house.slots.live()
    assert (live.release, live.from_release, live.kind) == (
        first.release,
        second.release,
        "rolled_back",
    )
    assert house.rollback().state == "already rolled back"


def test_who_saw_another_change_may_not_switch(house):
    """A switch after a change that is not in force any more is refused, and moves nothing."""
    house.released("a")
    _, second = house.released("b")
    seen = house.slots.live().number
    house.rollback()
    with pytest.raises(NotAllowed, match="somebody else moved"):
        house.slots.switch(
            "green", kind="switched", by="a test", reason="late", evidence={}, after=seen
        )
    assert house.slots.live().from_release == second.release


def test_killed_pods_come_back(house):
    """All pods of the live slot are killed: the same release answers again, without any command."""
    _, first = house.released("a")
    kubectl("delete", "pods", "-l", "titlebout.io/part=serving", "--grace-period=0", "--force")
    assert eventually(house.answers_with, first.release)


def test_a_second_release_is_told_who_is_at_it(house):
    """While one process holds the Lease and renews it, another is refused, by name."""
    house.challenger(name="a")
    refused = []

    def meanwhile(line):
        if line.startswith("deploy"):
            with pytest.raises(Busy, match="a first one"):
                house.release(wait_seconds=9.0)
            refused.append(line)

    house.release(by="a first one", progress=meanwhile)
    assert len(refused) == 1


def test_a_release_that_lost_its_lease_moves_no_traffic(house):
    """Cut off for so long that somebody else took over: refused before the switch, by that name."""
    _, first = house.released("a")
    house.challenger(name="b")

    def is_taken_over(line):
        if line.startswith("deploy"):
            take_lease("another")

    with pytest.raises(Busy, match="another"):
        house.release(progress=is_taken_over)
    assert house.answers_with() == house.slots.live().release == first.release


def test_a_release_that_lost_its_lease_leaves_the_bake_to_who_has_it(house):
    """Its own look, which the other one's ended, sends nothing back."""
    house.released("a")
    house.challenger(name="b")

    def is_taken_over(line):
        if line.startswith("bake"):
            take_lease("another")
            kubectl("delete", "jobs", "--all", "--wait=false")

    with pytest.raises(Busy, match="another"):
        house.release(progress=is_taken_over)
    live = house.slots.live()
    assert (live.kind, house.slots.is_unsettled(live)) == ("switched", True)
    take_lease(None)
    assert house.release().release == live.release


def test_two_releases_at_once_make_one_switch(house):
    """The second waits for the first, finds its work done, and adds nothing."""
    house.challenger(name="a")
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(house.release(wait_seconds=120)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.state for outcome in outcomes) == ["already live", "released"]


def test_killed_at_every_step_and_run_again_it_ends_the_same(house):
    """The Lease of the killed process passes on; one switch, settled, the old release ready to roll back to: after every kill."""
    _, base = house.released("base")
    before, killed = base.release, 0
    for step in range(1, MOST_STEPS):
        house.challenger(name=f"killed at {step}")
        if not release_in_killed_process(house, step):
            break
        killed += 1
        outcome = house.release()
        slots = house.slots
        assert outcome.release == slots.live().release != before, f"killed at step {step}"
        assert eventually(house.answers_with, outcome.release), f"killed at step {step}"
        assert slots.deployed(slots.other()).release == slots.live().from_release == before, (
            f"killed at step {step}"
        )
        assert slots.service().switchable == {"blue", "green"}, f"killed at step {step}"
        assert not slots.is_unsettled(slots.live()), f"killed at step {step}"
        before = outcome.release
    assert killed >= 12


def take_lease(holder):
    kubectl(
        "patch",
        "lease",
        f"release-{MODEL}",
        "--type=merge",
        "--patch",
        canonical_json({"spec": {"holderIdentity": holder}}),
    )


def eventually(ask, expected, *, seconds=20.0):
    """Whether the answer is as expected within that time; nodes learn of a switch within a second, pods take a few."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if ask() == expected:
                return True
        except (subprocess.CalledProcessError, StopIteration):
            pass
        time.sleep(0.2)
    return False
