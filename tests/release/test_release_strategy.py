"""What the gate holds against a candidate while a strategy shows it to clients."""

from types import SimpleNamespace

import pytest
from kubernetes.client.exceptions import ApiException
from support.fake_gateway import FakePods, FakeRoutes, api_of, metrics_page

from titlebout.metrics.sequential import decide_step
from titlebout.release.canary import signals_of
from titlebout.release.run_strategy import run_strategy
from titlebout.rollout.kubernetes.model_route import ModelRoute
from titlebout.rollout.slot_counts import Counted
from titlebout.spec import Canary, ClusterAway, Gateway, RolloutError, Shadow, Tolerances
from titlebout.spec.http_route import rules_to_live

GATEWAY = Gateway(namespace="gateways", name="public", domain="test")
FINE = Counted(requests=3000, errors=0, slow=0, asked=3000, refused=0)


def verdict_on(candidate, *, may_refuse=False):
    return decide_step(
        signals_of(FINE, candidate, Tolerances(), may_refuse=may_refuse), false_alarm=0.05, steps=3
    )


def test_a_candidate_that_refuses_clients_is_stopped():
    """A column was renamed: whoever sends the old one is answered 422, fast and without an error."""
    assert verdict_on(FINE._replace(asked=100, refused=100)) == ("stop", "refused requests")


def test_a_candidate_that_refuses_as_few_goes_on():
    """Every signal is shown to be within its tolerance."""
    assert verdict_on(FINE).step == "go on"


def test_a_person_may_let_a_candidate_refuse():
    """Of a changed contract, by an override; errors go on to count."""
    assert verdict_on(FINE._replace(refused=3000), may_refuse=True).step == "go on"
    assert verdict_on(FINE._replace(refused=3000, errors=3000), may_refuse=True) == (
        "stop",
        "errors",
    )


class BusyPods(FakePods):
    """Three thousand requests more whenever somebody looks, none of them answered wrong."""

    def connect_get_namespaced_pod_proxy_with_path(self, *arguments, **options):
        self.looks = getattr(self, "looks", 0) + 1
        self.metrics = dict.fromkeys(self.metrics, metrics_page(3000 * self.looks))
        return super().connect_get_namespaced_pod_proxy_with_path(*arguments, **options)


class AwayPods(BusyPods):
    """The API server does not answer for the pods' third and fourth list: after both slots' first."""

    def list_namespaced_pod(self, *arguments, **options):
        self.lists = getattr(self, "lists", 0) + 1
        if self.lists in (3, 4):
            raise ApiException(status=503)
        return super().list_namespaced_pod(*arguments, **options)


class AwayRoutes(FakeRoutes):
    """Not answered, so many times more."""

    away = 0

    def get_namespaced_custom_object(self, *arguments, **options):
        if self.away:
            self.away -= 1
            raise ApiException(status=503)
        return super().get_namespaced_custom_object(*arguments, **options)


class Scene:
    """Slot blue is live, green the candidate, with a pod each."""

    def __init__(self, pods, routes=FakeRoutes):
        self.routes = routes()
        api = api_of(
            self.routes, pods({("blue", "a"): metrics_page(0), ("green", "b"): metrics_page(0)})
        )
        self.slots = SimpleNamespace(
            api=api, namespace="ring-prod", model="tiny", live=lambda: SimpleNamespace(slot="blue")
        )

    def show(self, strategy, *, progress=lambda _: None):
        run_strategy(
            self.slots,
            strategy,
            gateway=GATEWAY,
            candidate="green",
            p99_ms=1000,
            may_refuse=False,
            progress=progress,
        )


SHADOW = Shadow(kind="shadow", seconds=0.5)


def test_a_shadow_that_saw_no_request_does_not_go_on_to_the_switch():
    """Nothing was found against it because nothing was found at all."""
    scene = Scene(FakePods)
    with pytest.raises(
        RolloutError, match=r"shadow of tiny.*undecided when its time was over: too few requests"
    ):
        scene.show(SHADOW)
    assert scene.routes.rules == rules_to_live("tiny")


def test_a_shadow_that_is_shown_to_do_no_harm_goes_on():
    """The gate's word at its end."""
    scene = Scene(BusyPods)
    scene.show(SHADOW)
    assert scene.routes.rules == rules_to_live("tiny")


def test_a_canary_that_is_taken_back_at_its_very_end_does_not_go_on():
    """Between the gate's last word and the route's last write."""
    scene = Scene(BusyPods)

    def reset_route():
        ModelRoute(scene.slots.api, GATEWAY, namespace="ring-prod", model="tiny").to_live()

    def hear(line):
        if line.endswith("passed"):
            scene.routes.before_patch = reset_route

    with pytest.raises(RolloutError, match="somebody took the traffic back"):
        scene.show(Canary(kind="canary", steps=(50,), step_seconds=10), progress=hear)


def test_an_api_server_that_is_away_for_a_moment_stops_no_canary():
    """It says nothing about the candidate."""
    scene, heard = Scene(AwayPods), []
    scene.show(Canary(kind="canary", steps=(50,), step_seconds=10), progress=heard.append)
    assert heard[-1] == "canary: 50 % passed"
    assert scene.routes.rules == rules_to_live("tiny")


def test_a_canary_that_ends_while_the_api_server_is_away_leaves_no_client_with_the_candidate():
    """A quarter is there as it goes: nobody would watch them any more."""
    scene = Scene(BusyPods, AwayRoutes)

    def hear(line):
        if line.startswith("canary: 50 % to"):
            scene.routes.away = 3

    with pytest.raises(ClusterAway):
        scene.show(Canary(kind="canary", steps=(25, 50), step_seconds=10), progress=hear)
    assert scene.routes.rules == rules_to_live("tiny")
