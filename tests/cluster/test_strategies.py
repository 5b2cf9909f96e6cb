"""Canary, A/B and shadow through a real Gateway."""

import collections
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.gateway_clients import GATEWAY, missing_gateway
from support.tiny_slots import MODEL, Tiny

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
def tiny(images):
    """Slot blue is live; the namespace goes when the test ends."""
    made = Tiny(f"strat-{secrets.token_hex(3)}", image=images["platform"])
    made.api.core.create_namespace({"metadata": {"name": made.namespace}})
    try:
        made.deploy("blue")
        made.switch("blue")
        made.route.to_live()
        made.until(lambda: made.ask()[:2] == (200, "blue"))
        yield made
    finally:
        made.api.core.delete_namespace(made.namespace)


def run(tiny: Tiny, strategy: Canary = QUICK) -> None:
    def count(slot):
        return SlotCounts(tiny.api, namespace=tiny.namespace, model=MODEL, slot=slot, p99_ms=50)

    canary(
        tiny.route,
        strategy,
        incumbent="blue",
        candidate="green",
        count=count,
        may_refuse=False,
        progress=print,
    )


def test_a_good_canary_goes_through_to_the_switch(tiny):
    """Both steps pass, the ordinary switch follows, and of all requests not one is lost."""
    tiny.deploy("green")
    with tiny.load() as answers:
        run(tiny)
        tiny.switch("green")
        tiny.until(lambda: set(tiny.shares(20)) == {(200, "green")})
    counted = collections.Counter(answers)
    print(counted)
    assert set(counted) == {(200, "blue"), (200, "green")}
    assert tiny.slots.live().slot == "green"


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"errors": 0.5}, "errors"),
        ({"delay_seconds": 0.1}, "slow"),
        ({"refusals": 0.5}, "refused requests"),
    ],
    ids=["errors", "slow", "refused"],
)
def test_a_bad_canary_is_stopped(tiny, fault, named):
    """The gate names the signal, everything is the incumbent's again, and the live Service was never touched."""
    tiny.deploy("green", **fault)
    before = tiny.slots.live()
    with tiny.load(), pytest.raises(RolloutError, match=named):
        run(tiny)
    tiny.until(lambda: set(tiny.shares(50)) == {(200, "blue")}, 20)
    assert tiny.slots.live() == before


def test_a_canary_whose_pod_is_gone_is_stopped(tiny):
    """Requests that reach no pod are counted by none, so that the gate alone would wait."""
    tiny.deploy("green")
    tiny.api.apps.patch_namespaced_deployment_scale(
        f"{MODEL}-green", tiny.namespace, {"spec": {"replicas": 0}}
    )
    tiny.until(lambda: tiny.slots.deployed("green").ready == 0)
    with pytest.raises(RolloutError, match="no ready pod"):
        run(tiny)


def test_what_a_killed_canary_left_is_undone_by_the_next(tiny):
    """The route of a canary that died at half way goes back to the live Service before anything else."""
    tiny.deploy("green")
    tiny.route.divide("green", percent=50)
    tiny.until(lambda: len(tiny.shares(20)) == 2)
    with pytest.raises(RolloutError, match="undecided"):
        run(tiny, QUICK.model_copy(update={"step_seconds": 0.1}))
    tiny.until(lambda: set(tiny.shares(50)) == {(200, "blue")}, 20)


def test_on_call_takes_back_what_a_killed_canary_left(tiny):
    """The plugin, though there is no release to go back to; asked again, it says so."""
    tiny.deploy("green")
    tiny.route.divide("green", percent=50)
    tiny.until(lambda: len(tiny.shares(20)) == 2)
    command = [
        str(Path(sys.executable).with_name("kubectl-titlebout")),
        "rollback",
        MODEL,
        "--namespace",
        tiny.namespace,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "a strategy had divided them" in done.stdout) == (0, True), done.stderr
    tiny.until(lambda: set(tiny.shares(50)) == {(200, "blue")}, 20)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, "the first release is live" in again.stderr) == (1, True), (
        again.stderr
    )


def test_a_canary_ends_when_somebody_takes_the_traffic_back(tiny):
    """It does not divide the requests anew behind on-call's back."""
    tiny.deploy("green")
    slow = QUICK.model_copy(
        update={"tolerances": Tolerances(errors=0.0001, slow=0.0001, refused=0.0001)}
    )  # no load: it waits
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(run, tiny, slow)
        tiny.until(lambda: len(tiny.shares(20)) == 2)
        ModelRoute(tiny.api, GATEWAY, namespace=tiny.namespace, model=MODEL).to_live()
        with pytest.raises(RolloutError, match="somebody took the traffic back"):
            under_way.result(timeout=20)
    assert not tiny.route.is_divided()


def test_a_field_that_the_cluster_s_gateway_api_drops(tiny, monkeypatch):
    """As an older one does it, without a word: clients would not stay with their release, and so the route is refused."""
    tiny.deploy("green")
    monkeypatch.setattr(
        routes, "_cookie", lambda _: {"sessionName": "g", "type": "Cookie", "ofTomorrow": 1}
    )
    with pytest.raises(NotAllowed, match=r"a Gateway API that keeps .*ofTomorrow"):
        tiny.route.groups("green", AB(kind="ab", by="weight", percent=50))


@pytest.mark.parametrize("by", ["header", "cookie"])
def test_groups_by_header_and_cookie(tiny, by):
    """Who carries the mark is the candidate's, everybody else the incumbent's."""
    tiny.deploy("green")
    tiny.route.groups("green", AB(kind="ab", by=by, name="group", value="b"))
    marks = {
        "header": ({"group": "b"}, {"group": "c"}),
        "cookie": ({"Cookie": "x=1; group=b; y=2"}, {"Cookie": "group=bb"}),
    }[by]
    tiny.until(lambda: tiny.ask(**marks[0])[1] == "green", 20)
    assert set(tiny.shares(50, **marks[0])) == {(200, "green")}
    assert set(tiny.shares(50, **marks[1])) == {(200, "blue")} == set(tiny.shares(50))


def test_groups_by_weight_are_sticky(tiny):
    """New clients are divided; a client that sends its cookie back stays where it was."""
    tiny.deploy("green")
    tiny.route.groups("green", AB(kind="ab", by="weight", percent=50))
    tiny.until(lambda: len({tiny.ask()[1] for _ in range(20)}) == 2, 20)
    new = [tiny.ask() for _ in range(40)]
    assert {slot for _, slot, _ in new} == {"blue", "green"}
    for _, slot, cookie in new[:10]:
        assert cookie
        assert set(tiny.shares(10, Cookie=cookie)) == {(200, slot)}


def test_a_shadow_sees_every_request_and_answers_none(tiny):
    """Clients are answered by the incumbent alone though the shadow fails; both slots saw the same request ids."""
    tiny.deploy("green", errors=1.0)
    tiny.route.mirror("green", percent=100)
    tiny.until(lambda: tiny.ask()[1] == "blue" and tiny.seen("green"), 20)
    before = tiny.seen("blue")
    assert set(tiny.shares(100)) == {(200, "blue")}
    new = tiny.seen("blue") - before
    assert len(new) == 100
    tiny.until(lambda: new <= tiny.seen("green"), 10)  # a copy may be later than the answer


def show(tiny: Tiny, strategy) -> None:
    run_strategy(
        tiny.slots,
        strategy,
        gateway=GATEWAY,
        candidate="green",
        p99_ms=50,
        may_refuse=False,
        progress=print,
    )


def test_a_harmless_shadow_lets_the_release_go_on(tiny):
    """Its time over, the mirror is gone and the way to the switch is free."""
    tiny.deploy("green")
    with tiny.load():
        show(tiny, Shadow(kind="shadow", seconds=15, tolerances=QUICK.tolerances))
    (rule,) = tiny.route.rules()
    assert "filters" not in rule
    assert [ref["name"] for ref in rule["backendRefs"]] == [MODEL]


def test_a_shadow_that_nobody_asked_goes_no_further(tiny):
    """Without requests there is no evidence either way, and so no switch."""
    tiny.deploy("green")
    with pytest.raises(RolloutError, match="undecided when its time was over"):
        show(tiny, Shadow(kind="shadow", seconds=3, tolerances=QUICK.tolerances))


def test_a_shadow_that_does_harm_stops_the_release(tiny):
    """No client saw one of its errors, and it goes no further."""
    tiny.deploy("green", errors=0.5)
    with tiny.load() as answers, pytest.raises(RolloutError, match="errors"):
        show(tiny, Shadow(kind="shadow", seconds=60, tolerances=QUICK.tolerances))
    assert set(answers) == {(200, "blue")}


def test_an_ab_ends_with_a_persons_decision(tiny):
    """Its time over, everything is the incumbent's, and the release does not go on by itself."""
    tiny.deploy("green")
    with pytest.raises(NotAllowed, match="a person's decision"):
        show(tiny, AB(kind="ab", by="header", name="group", value="b", seconds=2))
    tiny.until(lambda: set(tiny.shares(20, group="b")) == {(200, "blue")}, 20)


def test_the_next_release_begins_with_the_route_on_the_live_service(tiny):
    """What a release that was killed in its canary left does not point at a slot that is deployed to."""
    tiny.deploy("green")
    tiny.route.divide("green", percent=50)
    tiny.until(lambda: len(tiny.shares(20)) == 2)
    prepare(tiny.slots, QUICK, gateway=GATEWAY)
    tiny.until(lambda: set(tiny.shares(50)) == {(200, "blue")}, 20)


def test_without_a_gateway_the_strategy_is_refused(tiny):
    """The message names the Gateway that is missing."""
    with pytest.raises(NotAllowed, match="nowhere/none"):
        prepare(tiny.slots, QUICK, gateway=Gateway(namespace="nowhere", name="none", domain="test"))
