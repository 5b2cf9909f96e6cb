"""What the registrar sees through the API server, and that nothing one finds there keeps it from looking on."""

import time

import pytest
from support.fake_watch_api import live_service, slot_deployment

from titlebout.registrar.http_api import STUCK_SECONDS, _answer
from titlebout.registrar.watch import Watcher


@pytest.fixture
def look(registrar, fake_api):
    """One turn of each watch, and a step of the registrar."""
    watcher = Watcher(fake_api.api, "tests-prod", registrar)

    def once() -> None:
        for watch in watcher.watches():
            watcher.turn(watch)
        registrar.step(wait_seconds=0.01)

    return once


def put(fake_api, model: str, slot: str = "blue", **metadata) -> None:
    fake_api.objects["deployments"][f"{model}-{slot}"] = slot_deployment(model, slot)
    fake_api.objects["services"][model] = live_service(model, slot, **metadata)


def test_a_service_that_cannot_be_read_is_named_and_the_others_are_seen(fake_api, registrar, look):
    """A slot that is none, whose Deployment is there; the Service after it in the list is followed. Mended, so is the first."""
    put(fake_api, "alien", "purple")
    put(fake_api, "tiny")
    look()
    assert set(registrar.seen) == {"tiny"}
    assert "purple" in registrar.problems["Service alien"]
    put(fake_api, "alien", "green")
    look()
    assert set(registrar.seen) == {"alien", "tiny"}
    assert "Service alien" not in registrar.problems


def test_what_changes_while_one_watches_is_seen(fake_api, registrar, look):
    """Also after an event that cannot be read."""
    put(fake_api, "tiny")
    tiny = fake_api.objects["services"].pop("tiny")
    for found in (live_service("tiny") | {"spec": None}, tiny):
        fake_api.events["services"].put({"type": "ADDED", "object": found})
    look()
    assert set(registrar.seen) == {"tiny"}


@pytest.mark.parametrize(
    "is_told", [True, False], ids=["while it is watched", "between two watches"]
)
def test_a_live_service_that_is_deleted_is_live_no_more(fake_api, registrar, look, is_told):
    """Its last release stays in the ledger, and verify says what does not fit; the Service of the same name that comes next is seen."""
    put(fake_api, "tiny")
    look()
    if is_told:
        fake_api.events["services"].put({"type": "DELETED", "object": live_service("tiny")})
    else:
        del fake_api.objects["services"]["tiny"]
    look()
    assert _answer(registrar, "/status")[1]["live"] == {}
    assert "there is no live Service" in _answer(registrar, "/verify")[1]["faults"][0]
    put(fake_api, "tiny", uid="another")
    look()
    assert set(registrar.seen) == {"tiny"}


def test_a_deleted_object_s_trouble_goes_with_it(fake_api, registrar, look):
    """A model that was removed is no problem any more."""
    put(fake_api, "alien", "purple")
    look()
    assert "Service alien" in registrar.problems
    fake_api.objects["services"].clear()
    look()
    assert "Service alien" not in registrar.problems


@pytest.mark.parametrize("path", ["/status", "/verify"])
def test_before_the_first_full_look_nobody_is_accused(fake_api, registrar, look, path):
    """503, with what to do; so it is while the API server is away at the start, and then the reason is in it."""
    registrar.step(wait_seconds=0.01)
    status, said = _answer(registrar, path)
    assert (status, "a full look at the live Services" in said["error"]) == (503, True)
    fake_api.broken = True
    look()
    assert "JSONDecodeError" in _answer(registrar, path)[1]["error"]
    fake_api.broken = False
    look()
    assert _answer(registrar, path)[0] == 200


def test_whoever_writes_without_a_name_is_unknown(fake_api, registrar, look):
    """The API server notes a manager for most writes, not for all."""
    field = {"time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:spec": {"f:selector": {}}}}
    put(fake_api, "tiny", managedFields=[field])
    look()
    assert registrar.seen["tiny"].moved_slot.by == "unknown"


def test_an_api_server_that_talks_nonsense_is_asked_again(fake_api, registrar, look):
    """What is no JSON is complained of, and the next look is as any other."""
    put(fake_api, "tiny")
    fake_api.broken = True
    look()
    assert {"watch of Services", "watch of Deployments"} <= set(registrar.problems)
    fake_api.broken = False
    look()
    assert set(registrar.seen) == {"tiny"}
    assert not [subject for subject in registrar.problems if subject.startswith("watch")]


@pytest.mark.parametrize("thread", ["Service", "Deployment", "ledgers"])
def test_a_thread_that_does_not_come_round_fails_the_health_check(registrar, look, thread):
    """Its name is in the answer; all of them alive, the answer is 200."""
    look()
    assert _answer(registrar, "/healthz") == (200, {"alive": True, "stuck": []})
    registrar.turns[thread] = time.monotonic() - STUCK_SECONDS - 1
    assert _answer(registrar, "/healthz") == (500, {"alive": False, "stuck": [thread]})


def test_an_api_server_that_is_away_is_no_reason_to_be_killed(fake_api, registrar, look):
    """Each turn ends with the complaint, and counts."""
    fake_api.close()
    registrar.turns["Service"] = time.monotonic() - STUCK_SECONDS - 1
    look()
    assert "watch of Services" in registrar.problems
    assert _answer(registrar, "/healthz")[0] == 200
