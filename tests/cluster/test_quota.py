"""Check that a team with a full quota gets a clear error, and that no other team notices."""

import json
import time

import pytest
from support.two_teams import apply, call_api, kubectl, pod, slot_deployment, wait_until_ready

FULL = "bell-dev"
OTHER_TEAM = "ring-dev"
OTHER_ENVIRONMENT = "bell-prod"
HTTP_SERVER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ThreadingHTTPServer(("", 9000), BaseHTTPRequestHandler).serve_forever()
"""


@pytest.fixture(scope="module")
def full_team(teams):
    """Let team bell ask in dev for far more pods than its memory allows.

    Its first pod was there before.
    """
    apply(FULL, pod("first", teams.image, ["sleep", "3600"]))
    wait_until_ready(FULL, "first")
    greedy = slot_deployment("greedy", teams.image)
    greedy["spec"]["replicas"] = 40
    apply(FULL, greedy)
    assert wait_for(lambda: "exceeded quota: team" in refusals()), refusals()
    yield teams
    kubectl("delete", "deployment", "greedy", "--namespace", FULL)
    kubectl("delete", "pod", "first", "--namespace", FULL)


def refusals() -> str:
    """Return the events of pods that were not created."""
    events = json.loads(
        kubectl(
            "get",
            "events",
            "--namespace",
            FULL,
            "--field-selector",
            "reason=FailedCreate",
            "-o",
            "json",
        )
    )
    return "\n".join(event["message"] for event in events["items"])


def wait_for(condition, *, seconds: float = 60.0) -> bool:
    """Return whether the condition holds within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.5)
    return False


def test_the_next_pod_is_refused_by_name_of_what_is_used_up(full_team, api):
    """The refusal names the quota and the resource that is used up."""
    status, message = call_api(
        api,
        "POST",
        f"/api/v1/namespaces/{FULL}/pods",
        body=pod("next", full_team.image, ["sleep", "1"]),
    )
    assert status == 403
    assert "exceeded quota: team" in message
    assert "limits.memory" in message


def test_what_ran_before_goes_on(full_team, api):
    """A pod that ran before the quota was full keeps running."""
    found = api.core.read_namespaced_pod("first", FULL).status
    assert found.phase == "Running"
    assert found.container_statuses[0].restart_count == 0


@pytest.mark.parametrize("namespace", [OTHER_TEAM, OTHER_ENVIRONMENT])
def test_other_teams_and_environments_start_pods(full_team, namespace):
    """Another team, and the same team in another environment, can still start pods."""
    apply(namespace, pod("unmoved", full_team.image, ["python", "-c", HTTP_SERVER]))
    try:
        wait_until_ready(namespace, "unmoved")
    finally:
        kubectl("delete", "pod", "unmoved", "--namespace", namespace)


def test_a_pod_that_says_nothing_about_resources_gets_the_defaults(full_team, api):
    """A pod without resources gets the defaults, as Kubeflow Pipelines' helpers need.

    Without defaults the quota would refuse them.
    """
    container = api.core.read_namespaced_pod("first", FULL).spec.containers[0]
    assert container.resources.requests == {"cpu": "20m", "memory": "64Mi"}
    assert container.resources.limits == {"memory": "512Mi"}
