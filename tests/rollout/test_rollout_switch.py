"""Check what clients get while the traffic moves from one slot to the other."""

import json
import time
import urllib.error
import urllib.request

import pytest

from titlebout.loadgen import KINDS, BackgroundLoad, Load, seconds_to_last_answer, summary
from titlebout.spec import NotAllowed

# requests a second: enough to hit a gap of 20 ms, few enough for a busy test machine
LOAD_RATE = 60
SWITCHES = 10


def ask(url, body=None, headers=None):
    """Send one request; return status, body and headers."""
    request = urllib.request.Request(
        url, data=None if body is None else json.dumps(body).encode(), headers=headers or {}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.loads(response.read()), response.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers


def load_on(slots, rate=LOAD_RATE):
    """Return a load on the live address."""
    return Load(f"{slots.url}/predict", bodies=[{"x": 1.0}], rate=rate, request_id_prefix="test-")


def test_switching_under_load_fails_no_request_and_moves_both_kinds_of_clients(rig):
    """Ten switches fail no request, and kept-open connections move as fresh ones do."""
    slots = rig.both_slots().slots
    load, moments = load_on(slots), []
    with BackgroundLoad(load, seconds=60):
        for number in range(SWITCHES):
            time.sleep(0.2)
            change = rig.switch("green" if number % 2 == 0 else "blue")
            moments.append((time.time(), change))
        time.sleep(0.3)
    found = summary(load.answers)
    assert found["failed"] == 0, found["statuses"]
    assert set(found["releases"]) == {rig.release("a"), rig.release("b")}
    assert all(set(spans) == set(KINDS) for spans in found["releases"].values())
    after_last = [answer for answer in load.answers if answer.due > moments[-1][0]]
    assert {answer.release for answer in after_last} == {moments[-1][1].release}
    assert {answer.kind for answer in after_last} == set(KINDS)


def test_stopping_before_starting_is_seen_to_fail(rig):
    """The load counts failures of a slot that is restarted under traffic: a broken variant."""
    slots = rig.both_slots().slots
    load = load_on(slots)
    with BackgroundLoad(load, seconds=60):
        time.sleep(0.2)
        slots.halt_slot("blue")
        slots.start("blue")
        time.sleep(0.2)
    assert summary(load.answers)["failed"] > 0


def test_the_old_slot_is_silent_after_a_switch(rig):
    """The seconds to the last old answer count from the command, by kind of client."""
    slots = rig.both_slots().slots
    load = load_on(slots)
    with BackgroundLoad(load, seconds=60):
        time.sleep(0.3)
        since = time.time()
        rig.switch("green")
        time.sleep(0.3)
    late = seconds_to_last_answer(load.answers, since=since, release=rig.release("a"))
    assert set(late) == set(KINDS)
    new = [answer for answer in load.answers if answer.release == rig.release("b")]
    assert new
    assert max(late.values()) < max(answer.at - since for answer in new)


def test_before_the_first_release_the_address_says_what_to_do(rig):
    """Before the first release the address answers 503 with the next step."""
    rig.slots.start_proxy()
    status, body, _ = ask(f"{rig.slots.url}/predict", {"x": 1.0})
    assert (status, body["error"]) == (503, "nothing is live yet")
    assert "titlebout release" in body["next_step"]


def test_a_dead_live_slot_is_answered_with_what_to_do(rig):
    """A dead live slot is answered with 503 and JSON, not with Caddy's empty 502."""
    rig.both_slots()
    rig.slots.halt_slot("blue")
    status, body, _ = ask(f"{rig.slots.url}/predict", {"x": 1.0})
    assert status == 503
    assert "rollback" in body["next_step"]


def test_request_ids_pass_the_proxy(rig):
    """The id that a client sends reaches the server unchanged."""
    rig.both_slots()
    _, body, headers = ask(f"{rig.slots.url}/predict", {"x": 1.0}, {"x-request-id": "mine-1"})
    assert body["request_id"] == "mine-1"
    assert headers["x-titlebout-release"] == rig.release("a")


def test_a_prediction_is_never_sent_twice(rig):
    """A request that killed its slot fails, and reaches no server again.

    The slot dies on the third request.
    """
    rig.slots.start_proxy()
    rig.deploy("blue", "a", dies_under=2)
    rig.slots.allow("blue")
    rig.switch("blue")
    statuses = [ask(f"{rig.slots.url}/predict", {"x": 1.0})[0] for _ in range(3)]
    assert statuses == [200, 200, 503]


def test_traffic_never_goes_to_a_slot_under_test(rig):
    """A deployed slot gets no traffic until it is allowed."""
    rig.slots.start_proxy()
    rig.deploy("blue", "a")
    with pytest.raises(NotAllowed, match="under test"):
        rig.switch("blue")
    rig.slots.allow("blue")
    rig.switch("blue")
    assert rig.slots.live().slot == "blue"


def test_the_live_slot_is_never_deployed_to(rig):
    """The live slot is neither undeployed nor deployed to; its release goes on answering."""
    rig.both_slots()
    with pytest.raises(NotAllowed, match="live"):
        rig.deploy("blue", "c")
    assert ask(f"{rig.slots.url}/release")[1]["id"] == rig.release("a")


def test_a_switch_on_an_outdated_view_is_refused(rig):
    """A caller that saw change 1 in force cannot switch after change 2."""
    rig.both_slots()
    rig.switch("green")
    with pytest.raises(NotAllowed, match="somebody else"):
        rig.slots.switch(
            "blue", kind="rolled_back", by="a test", reason="late", evidence={}, after=1
        )


def test_what_was_served_comes_back_after_a_reboot(rig):
    """`resume` starts the same live release and the rollback slot after `halt`."""
    rig.both_slots()
    rig.switch("green")
    rig.slots.halt()
    with pytest.raises(OSError):  # noqa: PT011 (the operating system's own)
        urllib.request.urlopen(rig.slots.url, timeout=1)
    rig.slots.resume()
    assert ask(f"{rig.slots.url}/release")[1]["id"] == rig.release("b")
    assert ask(f"{rig.slots.slot_url('blue')}/release")[1]["id"] == rig.release("a")


def test_caddy_writes_nothing_outside_its_folder_and_has_no_admin_port(rig, tmp_path, monkeypatch):
    """Caddy saves nothing in the home folder, and nobody can reconfigure it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    rig.both_slots()
    assert not (tmp_path / "home").exists()
    assert not list((rig.slots.home / "caddy").rglob("autosave.json"))
    config = json.loads((rig.slots.home / "caddy" / "config.json").read_text())
    assert config["admin"] == {"disabled": True, "config": {"persist": False}}
