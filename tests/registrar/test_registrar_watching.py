"""See what is live through the API server, whatever is found there."""

import time

import pytest
from support.fake_watch_api import live_service, slot_deployment

from titlebout.registrar.http_api import STUCK_SECONDS, _answer
from titlebout.registrar.namespace_watch import Watcher


@pytest.fixture
def look(registrar, fake_api):
    """Run each watch once, and then a step of the registrar."""
    watcher = Watcher(fake_api.api, "tests-prod", registrar)

    def once() -> None:
        for watch in watcher.watches():
            watcher.run_once(watch)
        registrar.step(wait_seconds=0.01)

    return once


def put(fake_api, model: str, slot: str = "blue", **metadata) -> None:
    """Put a live Service and its slot into the API server."""
    fake_api.objects["deployments"][f"{model}-{slot}"] = slot_deployment(model, slot)
    fake_api.objects["services"][model] = live_service(model, slot, **metadata)


def test_a_service_that_cannot_be_read_is_named_and_the_others_are_seen(fake_api, registrar, look):
    """Name a Service with an unknown slot until it is fixed, and follow the others."""
    put(fake_api, "unreadable", "purple")
    put(fake_api, "tiny")
    look()
    assert set(registrar.seen) == {"tiny"}
    assert "purple" in registrar.problems["Service unreadable"]
    put(fake_api, "unreadable", "green")
    look()
    assert set(registrar.seen) == {"unreadable", "tiny"}
    assert "Service unreadable" not in registrar.problems


def test_what_changes_while_one_watches_is_seen(fake_api, registrar, look):
    """See a change during the watch, also after an event that cannot be read."""
    put(fake_api, "tiny")
    tiny = fake_api.objects["services"].pop("tiny")
    for found in (live_service("tiny") | {"spec": None}, tiny):
        fake_api.events["services"].put({"type": "ADDED", "object": found})
    look()
    assert set(registrar.seen) == {"tiny"}


@pytest.mark.parametrize(
    "is_watched", [True, False], ids=["while it is watched", "between two watches"]
)
def test_a_live_service_that_is_deleted_is_no_longer_live(fake_api, registrar, look, is_watched):
    """Report a deleted Service in `verify`, and see the next Service of its name.

    Its last release stays in the ledger.
    """
    put(fake_api, "tiny")
    look()
    if is_watched:
        fake_api.events["services"].put({"type": "DELETED", "object": live_service("tiny")})
    else:
        del fake_api.objects["services"]["tiny"]
    look()
    assert _answer(registrar, "/status")[1]["live"] == {}
    assert "there is no live Service" in _answer(registrar, "/verify")[1]["faults"][0]
    put(fake_api, "tiny", uid="another")
    look()
    assert set(registrar.seen) == {"tiny"}


def test_a_deleted_object_has_no_problem(fake_api, registrar, look):
    """Forget the problem of a model that was removed."""
    put(fake_api, "unreadable", "purple")
    look()
    assert "Service unreadable" in registrar.problems
    fake_api.objects["services"].clear()
    look()
    assert "Service unreadable" not in registrar.problems


@pytest.mark.parametrize("path", ["/status", "/verify"])
def test_before_the_first_full_look_there_is_no_answer(fake_api, registrar, look, path):
    """Answer 503 with the next step, and while the API server is away with its error."""
    registrar.step(wait_seconds=0.01)
    status, answer = _answer(registrar, path)
    assert (status, "a full look at the live Services" in answer["error"]) == (503, True)
    fake_api.broken = True
    look()
    assert "JSONDecodeError" in _answer(registrar, path)[1]["error"]
    fake_api.broken = False
    look()
    assert _answer(registrar, path)[0] == 200


def test_a_write_without_a_manager_is_by_an_unknown(fake_api, registrar, look):
    """Call the writer unknown: the API server notes a manager for most writes, not for all."""
    field = {"time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:spec": {"f:selector": {}}}}
    put(fake_api, "tiny", managedFields=[field])
    look()
    assert registrar.seen["tiny"].slot_write.by == "unknown"


def test_an_api_server_that_answers_no_json_is_asked_again(fake_api, registrar, look):
    """Report what is no JSON, and look again as usual."""
    put(fake_api, "tiny")
    fake_api.broken = True
    look()
    assert {"watch of Services", "watch of Deployments"} <= set(registrar.problems)
    fake_api.broken = False
    look()
    assert set(registrar.seen) == {"tiny"}
    assert not [subject for subject in registrar.problems if subject.startswith("watch")]


@pytest.mark.parametrize("thread", ["Service", "Deployment", "ledgers"])
def test_a_thread_that_is_stuck_fails_the_health_check(registrar, look, thread):
    """Name a stuck thread in the answer; answer 200 while all are alive."""
    look()
    assert _answer(registrar, "/healthz") == (200, {"alive": True, "stuck": []})
    registrar.turns[thread] = time.monotonic() - STUCK_SECONDS - 1
    assert _answer(registrar, "/healthz") == (500, {"alive": False, "stuck": [thread]})


def test_an_api_server_that_is_away_does_not_fail_the_health_check(fake_api, registrar, look):
    """Count each turn, though it ends with a problem."""
    fake_api.close()
    registrar.turns["Service"] = time.monotonic() - STUCK_SECONDS - 1
    look()
    assert "watch of Services" in registrar.problems
    assert _answer(registrar, "/healthz")[0] == 200
