"""Run canary, A/B and shadow through a real Gateway."""

import collections
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.gateway_clients import GATEWAY, missing_gateway
from support.tiny_slots import MODEL, TinySlots

from titlebout.release.canary import canary
from titlebout.release.run_strategy import prepare, run_strategy
from titlebout.rollout.kubernetes import model_route as routes
from titlebout.rollout.kubernetes.model_route import ModelRoute
from titlebout.rollout.slot_counts import SlotCounts
from titlebout.spec import AB, Canary, Gateway, NotAllowed, RolloutError, Shadow, Tolerances

pytestmark = pytest.mark.skipif(bool(missing := missing_gateway()), reason=missing)
QUICK = Canary(
    kind="canary",
    steps=(25, 50),
    tolerances=Tolerances(errors=0.1, slow=0.1, refused=0.1),
    step_seconds=60,
)


@pytest.fixture
def tiny_slots(images):
    """Deploy slot blue as the live one, and delete the namespace afterwards."""
    made = TinySlots(f"strat-{secrets.token_hex(3)}", image=images["platform"])
    made.api.core.create_namespace({"metadata": {"name": made.namespace}})
    try:
        made.deploy("blue")
        made.switch("blue")
        made.route.to_live()
        made.wait_until(lambda: made.ask()[:2] == (200, "blue"))
        yield made
    finally:
        made.api.core.delete_namespace(made.namespace)


def run_canary(tiny_slots: TinySlots, strategy: Canary = QUICK) -> None:
    """Run a canary from blue to green."""

    def count(slot):
        return SlotCounts(
            tiny_slots.api, namespace=tiny_slots.namespace, model=MODEL, slot=slot, p99_ms=50
        )

    canary(
        tiny_slots.route,
        strategy,
        incumbent="blue",
        candidate="green",
        count=count,
        may_refuse=False,
        progress=print,
    )


def test_a_good_canary_goes_through_to_the_switch(tiny_slots):
    """Both steps pass, the switch follows, and no request is lost."""
    tiny_slots.deploy("green")
    with tiny_slots.load() as answers:
        run_canary(tiny_slots)
        tiny_slots.switch("green")
        tiny_slots.wait_until(lambda: set(tiny_slots.count_answers(20)) == {(200, "green")})
    counted = collections.Counter(answers)
    print(counted)
    assert set(counted) == {(200, "blue"), (200, "green")}
    assert tiny_slots.slots.live().slot == "green"


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"errors": 0.5}, "errors"),
        ({"delay_seconds": 0.1}, "slow"),
        ({"refusals": 0.5}, "refused requests"),
    ],
    ids=["errors", "slow", "refused"],
)
def test_a_bad_canary_is_stopped(tiny_slots, fault, named):
    """The gate names the signal, and all traffic is the incumbent's again.

    The live Service is unchanged.
    """
    tiny_slots.deploy("green", **fault)
    before = tiny_slots.slots.live()
    with tiny_slots.load(), pytest.raises(RolloutError, match=named):
        run_canary(tiny_slots)
    tiny_slots.wait_until(lambda: set(tiny_slots.count_answers(50)) == {(200, "blue")}, 20)
    assert tiny_slots.slots.live() == before


def test_a_canary_whose_pod_is_gone_is_stopped(tiny_slots):
    """Stop a canary without a ready pod.

    No pod counts requests that reach none, so the gate alone would wait.
    """
    tiny_slots.deploy("green")
    tiny_slots.api.apps.patch_namespaced_deployment_scale(
        f"{MODEL}-green", tiny_slots.namespace, {"spec": {"replicas": 0}}
    )
    tiny_slots.wait_until(lambda: tiny_slots.slots.deployed("green").ready == 0)
    with pytest.raises(RolloutError, match="no ready pod"):
        run_canary(tiny_slots)


def test_what_a_killed_canary_left_is_undone_by_the_next(tiny_slots):
    """The next canary first sends the route back to the live Service."""
    tiny_slots.deploy("green")
    tiny_slots.route.divide("green", percent=50)
    tiny_slots.wait_until(lambda: len(tiny_slots.count_answers(20)) == 2)
    with pytest.raises(RolloutError, match="undecided"):
        run_canary(tiny_slots, QUICK.model_copy(update={"step_seconds": 0.1}))
    tiny_slots.wait_until(lambda: set(tiny_slots.count_answers(50)) == {(200, "blue")}, 20)


def test_on_call_takes_back_what_a_killed_canary_left(tiny_slots):
    """The plugin takes the traffic back although no release can be rolled back.

    A second call says so.
    """
    tiny_slots.deploy("green")
    tiny_slots.route.divide("green", percent=50)
    tiny_slots.wait_until(lambda: len(tiny_slots.count_answers(20)) == 2)
    command = [
        str(Path(sys.executable).with_name("kubectl-titlebout")),
        "rollback",
        MODEL,
        "--namespace",
        tiny_slots.namespace,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "a strategy had divided them" in done.stdout) == (0, True), done.stderr
    tiny_slots.wait_until(lambda: set(tiny_slots.count_answers(50)) == {(200, "blue")}, 20)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, "the first release is live" in again.stderr) == (1, True), (
        again.stderr
    )


def test_a_canary_ends_when_somebody_takes_the_traffic_back(tiny_slots):
    """A canary ends when on-call takes the traffic back, and does not divide it again."""
    tiny_slots.deploy("green")
    # Without load and with these tolerances the canary waits.
    slow = QUICK.model_copy(
        update={"tolerances": Tolerances(errors=0.0001, slow=0.0001, refused=0.0001)}
    )
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(run_canary, tiny_slots, slow)
        tiny_slots.wait_until(lambda: len(tiny_slots.count_answers(20)) == 2)
        ModelRoute(tiny_slots.api, GATEWAY, namespace=tiny_slots.namespace, model=MODEL).to_live()
        with pytest.raises(RolloutError, match="somebody took the traffic back"):
            under_way.result(timeout=20)
    assert not tiny_slots.route.is_divided()


def test_a_field_that_the_cluster_s_gateway_api_drops(tiny_slots, monkeypatch):
    """Refuse a route if the Gateway API drops a field, as an older one does silently.

    Clients would not stay with their release.
    """
    tiny_slots.deploy("green")
    monkeypatch.setattr(
        routes,
        "_cookie_persistence",
        lambda _: {"sessionName": "g", "type": "Cookie", "ofTomorrow": 1},
    )
    with pytest.raises(NotAllowed, match=r"a Gateway API that keeps .*ofTomorrow"):
        tiny_slots.route.groups("green", AB(kind="ab", by="weight", percent=50))


@pytest.mark.parametrize("by", ["header", "cookie"])
def test_groups_by_header_and_cookie(tiny_slots, by):
    """Clients with the mark get the candidate, all others the incumbent."""
    tiny_slots.deploy("green")
    tiny_slots.route.groups("green", AB(kind="ab", by=by, name="group", value="b"))
    marks = {
        "header": ({"group": "b"}, {"group": "c"}),
        "cookie": ({"Cookie": "x=1; group=b; y=2"}, {"Cookie": "group=bb"}),
    }[by]
    tiny_slots.wait_until(lambda: tiny_slots.ask(**marks[0])[1] == "green", 20)
    assert set(tiny_slots.count_answers(50, **marks[0])) == {(200, "green")}
    assert (
        set(tiny_slots.count_answers(50, **marks[1]))
        == {(200, "blue")}
        == set(tiny_slots.count_answers(50))
    )


def test_groups_by_weight_are_sticky(tiny_slots):
    """New clients are divided, and a client that sends its cookie stays with its slot."""
    tiny_slots.deploy("green")
    tiny_slots.route.groups("green", AB(kind="ab", by="weight", percent=50))
    tiny_slots.wait_until(lambda: len({tiny_slots.ask()[1] for _ in range(20)}) == 2, 20)
    new = [tiny_slots.ask() for _ in range(40)]
    assert {slot for _, slot, _ in new} == {"blue", "green"}
    for _, slot, cookie in new[:10]:
        assert cookie
        assert set(tiny_slots.count_answers(10, Cookie=cookie)) == {(200, slot)}


def test_a_shadow_sees_every_request_and_answers_none(tiny_slots):
    """The incumbent alone answers, and both slots receive the same request ids."""
    tiny_slots.deploy("green", errors=1.0)
    tiny_slots.route.mirror("green", percent=100)
    tiny_slots.wait_until(
        lambda: tiny_slots.ask()[1] == "blue" and tiny_slots.seen_request_ids("green"), 20
    )
    before = tiny_slots.seen_request_ids("blue")
    assert set(tiny_slots.count_answers(100)) == {(200, "blue")}
    new = tiny_slots.seen_request_ids("blue") - before
    assert len(new) == 100
    tiny_slots.wait_until(
        lambda: new <= tiny_slots.seen_request_ids("green"), 10
    )  # a copy may be later than the answer


def try_strategy(tiny_slots: TinySlots, strategy) -> None:
    """Run the strategy for candidate green."""
    run_strategy(
        tiny_slots.slots,
        strategy,
        gateway=GATEWAY,
        candidate="green",
        p99_ms=50,
        may_refuse=False,
        progress=print,
    )


def test_a_harmless_shadow_lets_the_release_go_on(tiny_slots):
    """A shadow without faults ends without its mirror, and the release continues."""
    tiny_slots.deploy("green")
    with tiny_slots.load():
        try_strategy(tiny_slots, Shadow(kind="shadow", seconds=15, tolerances=QUICK.tolerances))
    (rule,) = tiny_slots.route.rules()
    assert "filters" not in rule
    assert [ref["name"] for ref in rule["backendRefs"]] == [MODEL]


def test_a_shadow_that_nobody_asked_goes_no_further(tiny_slots):
    """Stop a shadow that got no requests, since there is no evidence."""
    tiny_slots.deploy("green")
    with pytest.raises(RolloutError, match="undecided when its time was over"):
        try_strategy(tiny_slots, Shadow(kind="shadow", seconds=3, tolerances=QUICK.tolerances))


def test_a_shadow_that_does_harm_stops_the_release(tiny_slots):
    """Stop a shadow that fails, although no client saw its errors."""
    tiny_slots.deploy("green", errors=0.5)
    with tiny_slots.load() as answers, pytest.raises(RolloutError, match="errors"):
        try_strategy(tiny_slots, Shadow(kind="shadow", seconds=60, tolerances=QUICK.tolerances))
    assert set(answers) == {(200, "blue")}


def test_an_ab_ends_with_a_persons_decision(tiny_slots):
    """An A/B ends with the incumbent live, and a person must decide on the release."""
    tiny_slots.deploy("green")
    with pytest.raises(NotAllowed, match="a person's decision"):
        try_strategy(tiny_slots, AB(kind="ab", by="header", name="group", value="b", seconds=2))
    tiny_slots.wait_until(
        lambda: set(tiny_slots.count_answers(20, group="b")) == {(200, "blue")}, 20
    )


def test_the_next_release_begins_with_the_route_on_the_live_service(tiny_slots):
    """The next release first points the route at the live Service, away from the slots."""
    tiny_slots.deploy("green")
    tiny_slots.route.divide("green", percent=50)
    tiny_slots.wait_until(lambda: len(tiny_slots.count_answers(20)) == 2)
    prepare(tiny_slots.slots, QUICK, gateway=GATEWAY)
    tiny_slots.wait_until(lambda: set(tiny_slots.count_answers(50)) == {(200, "blue")}, 20)


def test_without_a_gateway_the_strategy_is_refused(tiny_slots):
    """Refuse a strategy without its Gateway, and name the Gateway."""
    with pytest.raises(NotAllowed, match="nowhere/none"):
        prepare(
            tiny_slots.slots,
            QUICK,
            gateway=Gateway(namespace="nowhere", name="none", domain="test"),
        )
