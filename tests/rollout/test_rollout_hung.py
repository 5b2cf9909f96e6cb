"""Answer clients of a slot that hangs in limited time, and leave the other slot unaffected."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_rollout_switch import ask

from titlebout import processes
from titlebout.rollout import proxy
from titlebout.rollout.supervisor_process import stop_supervisor

CLIENTS = 3 * proxy.MAX_FAILS


@pytest.fixture
def hung(rig, monkeypatch):
    """Make blue live and hang; nobody restarts it.

    The proxy waits a moment instead of its usual time.
    """
    monkeypatch.setattr(proxy, "ANSWER_TIMEOUT", "300ms")
    rig.both_slots()
    stop_supervisor(rig.slots.home)
    process = processes.running("blue", rig.slots.home)
    process.suspend()
    yield rig
    process.resume()


def ask_at_once(rig, count):
    """Send so many requests at once; return the status and the seconds of each."""

    def one(number):
        began = time.monotonic()
        status, _, _ = ask(f"{rig.slots.url}/predict", {"x": 1.0})
        return status, time.monotonic() - began

    with ThreadPoolExecutor(count) as clients:
        return list(clients.map(one, range(count)))


def test_a_client_of_a_hung_slot_is_told_so(hung):
    """A hung slot's clients get 503 with the next step, in less than 75 seconds."""
    status, body, headers = ask(f"{hung.slots.url}/predict", {"x": 1.0})
    assert status == 503
    assert "rollback" in body["next_step"]
    assert headers["Retry-After"]


def test_requests_do_not_pile_up_on_a_hung_slot(hung):
    """After enough failures the proxy answers at once and does not ask the slot."""
    slow = ask_at_once(hung, CLIENTS)
    quick = ask_at_once(hung, 1)
    assert {status for status, _ in slow + quick} == {503}
    assert quick[0][1] < min(seconds for _, seconds in slow)


def test_the_failures_of_one_slot_do_not_count_against_the_other(hung):
    """Every request is answered right after the switch away from a failing slot."""
    ask_at_once(hung, CLIENTS)
    hung.switch("green")
    assert {status for status, _ in ask_at_once(hung, CLIENTS)} == {200}


def test_a_slot_that_was_started_again_is_asked_at_once(rig):
    """A restarted slot gets its requests: failures are forgotten in half a second."""
    rig.both_slots()
    stop_supervisor(rig.slots.home)
    rig.slots.halt_slot("blue")
    ask_at_once(rig, CLIENTS)
    rig.slots.start("blue")
    deadline = time.monotonic() + 20
    while ask(f"{rig.slots.url}/predict", {"x": 1.0})[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_wait_of_the_proxy_has_an_end(rig):
    """Every wait has a limit, for a slow client and for a slot at every stage."""
    rig.slots.start_proxy()
    config = json.loads((rig.slots.home / "caddy" / "config.json").read_text())
    server = config["apps"]["http"]["servers"]["live"]
    assert {"read_header_timeout", "read_timeout"} <= server.keys()
    handlers = [
        handler
        for route in server["routes"]
        for handler in route["handle"]
        if handler["handler"] == "reverse_proxy"
    ]
    assert len(handlers) == 2
    for handler in handlers:
        assert {
            "dial_timeout",
            "response_header_timeout",
            "read_timeout",
            "write_timeout",
        } <= handler["transport"].keys()
        assert {"fail_duration", "max_fails"} <= handler["health_checks"]["passive"].keys()
