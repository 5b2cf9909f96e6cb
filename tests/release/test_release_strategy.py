"""Decide about a candidate while a strategy sends clients to it."""

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
    """Stop a candidate that answers 422, fast and without an error, after a column was renamed."""
    assert verdict_on(FINE._replace(asked=100, refused=100)) == ("stop", "refused requests")


def test_a_candidate_that_refuses_as_few_goes_on():
    """Go on if every signal is shown to be within its tolerance."""
    assert verdict_on(FINE).step == "go on"


def test_a_person_may_let_a_candidate_refuse():
    """Ignore refusals by an override, and go on counting errors."""
    assert verdict_on(FINE._replace(refused=3000), may_refuse=True).step == "go on"
    assert verdict_on(FINE._replace(refused=3000, errors=3000), may_refuse=True) == (
        "stop",
        "errors",
    )


class BusyPods(FakePods):
    """Count three thousand good requests more at every look."""

    def connect_get_namespaced_pod_proxy_with_path(self, *arguments, **options):
        self.looks = getattr(self, "looks", 0) + 1
        self.metrics = dict.fromkeys(self.metrics, metrics_page(3000 * self.looks))
        return super().connect_get_namespaced_pod_proxy_with_path(*arguments, **options)


class AwayPods(BusyPods):
    """Fail at the third and fourth list of pods, after both slots' first."""

    def list_namespaced_pod(self, *arguments, **options):
        self.lists = getattr(self, "lists", 0) + 1
        if self.lists in (3, 4):
            raise ApiException(status=503)
        return super().list_namespaced_pod(*arguments, **options)


class AwayRoutes(FakeRoutes):
    """Fail so many times more."""

    away = 0

    def get_namespaced_custom_object(self, *arguments, **options):
        if self.away:
            self.away -= 1
            raise ApiException(status=503)
        return super().get_namespaced_custom_object(*arguments, **options)


class StrategyRun:
    """Run a strategy with blue live and green as the candidate, one pod each."""

    def __init__(self, pods, routes=FakeRoutes):
        self.routes = routes()
        api = api_of(
            self.routes, pods({("blue", "a"): metrics_page(0), ("green", "b"): metrics_page(0)})
        )
        self.slots = SimpleNamespace(
            api=api, namespace="ring-prod", model="tiny", live=lambda: SimpleNamespace(slot="blue")
        )

    def run(self, strategy, *, progress=lambda _: None):
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
    """Stop a shadow that is undecided at its end."""
    strategy_run = StrategyRun(FakePods)
    with pytest.raises(
        RolloutError, match=r"shadow of tiny.*undecided when its time was over: too few requests"
    ):
        strategy_run.run(SHADOW)
    assert strategy_run.routes.rules == rules_to_live("tiny")


def test_a_shadow_that_is_shown_to_do_no_harm_goes_on():
    """Return when the gate decides for it at its end."""
    strategy_run = StrategyRun(BusyPods)
    strategy_run.run(SHADOW)
    assert strategy_run.routes.rules == rules_to_live("tiny")


def test_a_canary_that_is_taken_back_at_its_very_end_does_not_go_on():
    """Refuse if somebody sets the route after the gate's last decision."""
    strategy_run = StrategyRun(BusyPods)

    def reset_route():
        ModelRoute(strategy_run.slots.api, GATEWAY, namespace="ring-prod", model="tiny").to_live()

    def on_progress(line):
        if line.endswith("passed"):
            strategy_run.routes.before_patch = reset_route

    with pytest.raises(RolloutError, match="somebody took the traffic back"):
        strategy_run.run(Canary(kind="canary", steps=(50,), step_seconds=10), progress=on_progress)


def test_an_api_server_that_is_away_for_a_moment_stops_no_canary():
    """Ask again, since it says nothing about the candidate."""
    strategy_run, lines = StrategyRun(AwayPods), []
    strategy_run.run(Canary(kind="canary", steps=(50,), step_seconds=10), progress=lines.append)
    assert lines[-1] == "canary: 50 % passed"
    assert strategy_run.routes.rules == rules_to_live("tiny")


def test_a_canary_that_ends_while_the_api_server_is_away_leaves_no_client_with_the_candidate():
    """Wait for the API server and take a quarter of the clients back."""
    strategy_run = StrategyRun(BusyPods, AwayRoutes)

    def on_progress(line):
        if line.startswith("canary: 50 % to"):
            strategy_run.routes.away = 3

    with pytest.raises(ClusterAway):
        strategy_run.run(
            Canary(kind="canary", steps=(25, 50), step_seconds=10), progress=on_progress
        )
    assert strategy_run.routes.rules == rules_to_live("tiny")
