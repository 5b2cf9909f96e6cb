"""Overwrite only what this release wrote in a route: on-call may take the traffic back."""

import pytest
from support.fake_gateway import FakeRoutes, api_of

from titlebout.rollout.kubernetes.model_route import ModelRoute
from titlebout.spec import Gateway, RolloutError
from titlebout.spec.http_route import rules_to_live

MODEL, NAMESPACE = "tiny", "ring-prod"
GATEWAY = Gateway(namespace="gateways", name="public", domain="test")


@pytest.fixture
def routes():
    """Hold the routes in memory."""
    return FakeRoutes()


@pytest.fixture
def route(routes):
    """Return a route that sends all requests to the live Service."""
    made = ModelRoute(api_of(routes), GATEWAY, namespace=NAMESPACE, model=MODEL)
    made.to_live()
    return made


def reset_route(routes):
    """Send all traffic to the live Service, as the plugin does."""
    ModelRoute(api_of(routes), GATEWAY, namespace=NAMESPACE, model=MODEL).to_live()


def test_a_share_is_written_over_the_share_before(route, routes):
    """A share replaces the share before, though the Gateway writes its status in between."""
    route.divide("green", percent=5)
    routes.write_status()
    routes.before_patch = routes.write_status
    route.divide("green", percent=25)
    assert [ref["weight"] for ref in routes.rules[0]["backendRefs"]] == [75, 25]


@pytest.mark.parametrize(
    "write",
    [lambda route: route.divide("green", percent=25), lambda route: route.give_back()],
    ids=["next", "end"],
)
def test_what_on_call_takes_back_in_between_stays_taken_back(route, routes, write):
    """Neither a larger share nor the switch overwrites what on-call took back.

    On-call writes after the rules were read, and before the next ones are written.
    """
    route.divide("green", percent=5)
    routes.before_patch = lambda: reset_route(routes)
    with pytest.raises(RolloutError, match="somebody took the traffic back"):
        write(route)
    assert routes.rules == rules_to_live(MODEL)


def test_the_end_of_a_strategy_gives_everything_back(route, routes):
    """The end of a strategy sends everything to the live Service."""
    route.divide("green", percent=50)
    route.give_back()
    assert routes.rules == rules_to_live(MODEL)
