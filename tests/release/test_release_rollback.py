"""Rollback: fast, complete, without MLflow, and never the other way."""

import subprocess
import sys
import time

import pytest
from support.release_project import ENVIRONMENT, MODEL

from titlebout import processes
from titlebout.loadgen import KINDS, BackgroundLoad, Load, summary
from titlebout.release.verify import verify
from titlebout.rollout.proxy import PROXY
from titlebout.rollout.supervisor_process import SUPERVISOR, stop_supervisor
from titlebout.spec import NotAllowed, RolloutError


def test_a_rollback_under_load_fails_no_request(house):
    """Both kinds of clients are answered all the time, before by the new release and after by the old one."""
    _, first = house.released("a")
    _, second = house.released("b")
    load = Load(
        f"{house.slots.url}/predict", bodies=[{"x": 1.0}], rate=60, request_id_prefix="test-"
    )
    with BackgroundLoad(load, seconds=60):
        time.sleep(0.3)
        house.rollback()
        since = time.time()
        time.sleep(0.4)
    found = summary(load.answers)
    assert found["failed"] == 0, found["statuses"]
    assert {answer.release for answer in load.answers if answer.at < since} >= {second.release}
    after = [answer for answer in load.answers if answer.due > since]
    assert {answer.release for answer in after} == {first.release}
    assert {answer.kind for answer in after} == set(KINDS)


def test_a_rollback_brings_alias_and_ledger_along(house):
    """The Champion is the old version again, and the ledger says by whom and why."""
    version, first = house.released("a")
    house.released("b")
    outcome = house.rollback(by="on call", reason="customers complain")
    assert (outcome.state, outcome.release, outcome.note) == ("rolled back", first.release, None)
    assert house.champion() == version.version
    assert house.kinds()[-1] == ("rolled_back", first.release)
    assert verify(house.project, ENVIRONMENT) == []


def test_a_rollback_run_twice_does_not_go_forth_again(house):
    """Somebody at 3 a.m. presses the key twice."""
    _, first = house.released("a")
    house.released("b")
    house.rollback()
    assert house.rollback().state == "already rolled back"
    assert house.answers_with() == first.release
    assert [kind for kind, _ in house.kinds()].count("rolled_back") == 1


def test_a_rollback_needs_no_registry_and_the_alias_follows_later(house):
    """Traffic and ledger at once; the alias as soon as anybody looks again."""
    version, first = house.released("a")
    house.released("b")
    house.disconnect()
    outcome = house.rollback()
    assert "has not moved yet" in outcome.note
    assert house.answers_with() == first.release
    assert house.kinds()[-1] == ("rolled_back", first.release)
    assert house.champion() != version.version
    house.reconnect()
    assert house.rollback().note is None
    assert house.champion() == version.version


def test_nothing_to_roll_back_to_is_said(house):
    """Before the first release, and after it."""
    with pytest.raises(RolloutError, match="nothing was ever released"):
        house.rollback()
    _, first = house.released("a")
    with pytest.raises(RolloutError, match="is the first release"):
        house.rollback()
    assert house.answers_with() == first.release


def test_a_release_under_way_has_taken_the_slot_to_roll_back_to(house):
    """From its deployment on, the older release is gone, and the rollback says so instead of switching to an untested slot."""
    house.released("a")
    _, second = house.released("b")
    house.challenger(name="c")
    refused = []

    def on_call(line):
        if line.startswith("ready"):
            with pytest.raises(RolloutError, match="a later release took slot blue") as caught:
                house.rollback()
            refused.append(caught.value)
            assert house.answers_with() == second.release

    house.release(progress=on_call)
    assert len(refused) == 1


def test_a_dead_rollback_slot_is_started_again(house):
    """Its process may have died since; what is recorded is enough to bring it back before the switch."""
    _, first = house.released("a")
    house.released("b")
    house.slots.halt_slot("blue")
    house.rollback()
    assert house.answers_with() == first.release


def test_the_traffic_moves_before_anything_heavy_is_imported(house):
    """At the moment of the switch neither MLflow nor the database nor pandas has been imported."""
    house.released("a")
    house.released("b")
    script = f"""
import sys
from pathlib import Path
from titlebout.release import rollback
from titlebout.rollout.traffic import Traffic

def move(self, change, *, dial):
    print(sorted({{"mlflow", "sqlalchemy", "pandas", "numpy", "aiohttp", "sklearn", "bentoml"}} & set(sys.modules)))
    raise SystemExit(0)

Traffic.move = move
rollback(Path({str(house.project)!r}), {MODEL!r}, {ENVIRONMENT!r}, by="a test", reason="to see")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_what_was_rolled_back_while_the_registry_was_away_is_no_challenger_any_more(house):
    """Switched to, rolled back, and nobody could move an alias meanwhile: the next look clears it, so no release repeats it."""
    version, first = house.released("a")
    house.challenger(name="b")
    with pytest.raises(NotAllowed, match="somebody moved the traffic"):
        house.release(
            progress=lambda line: (
                house.disconnect() if line.startswith("switch") else bake_ends(house, line)
            )
        )
    assert house.registry.find(MODEL, alias="challenger") is not None
    house.reconnect()
    with pytest.raises(NotAllowed, match="was rolled back"):
        house.release()
    assert house.answers_with() == first.release
    assert house.champion() == version.version


def bake_ends(house, line):
    """Somebody rolls back as the bake begins."""
    if line.startswith("bake"):
        house.rollback()


def test_a_rollback_brings_back_a_proxy_that_died(house):
    """Nobody hears "has the traffic again" from a command while clients get no answer."""
    _, first = house.released("a")
    house.released("b")
    stop_supervisor(house.slots.home)
    processes.running(PROXY, house.slots.home).kill()
    outcome = house.rollback()
    assert (outcome.state, house.answers_with()) == ("rolled back", first.release)
    assert processes.running(SUPERVISOR, house.slots.home) is not None


@pytest.mark.parametrize("again", [False, True])
def test_a_rollback_whose_release_does_not_answer_is_an_error(house, again, monkeypatch):
    """The traffic has moved and the ledger says so, but the command fails, the first time and when it is run again."""
    _, first = house.released("a")
    house.released("b")
    if again:
        house.rollback()
    stop_supervisor(house.slots.home)
    monkeypatch.setattr("titlebout.rollout.embedded_slots.ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(
        "titlebout.rollout.embedded_slots.EmbeddedSlots.start_proxy", lambda slots: None
    )  # another program has the port, say
    processes.stop(PROXY, house.slots.home, 5)
    with pytest.raises(
        RolloutError, match=r"traffic goes now, to answer; found it does not: .* no answer"
    ):
        house.rollback()
    assert house.slots.live().release == first.release
    assert house.kinds()[-1] == ("rolled_back", first.release)


def test_a_rollback_run_again_brings_back_a_live_slot_that_died(house):
    """It moves nothing, and does not say that all is well while the slot is down."""
    _, first = house.released("a")
    house.released("b")
    house.rollback()
    stop_supervisor(house.slots.home)
    processes.running("blue", house.slots.home).kill()
    assert house.rollback().state == "already rolled back"
    assert house.answers_with() == first.release


def test_a_rollback_slot_that_hangs_is_started_anew(house, monkeypatch):
    """A process that runs is not yet one that answers."""
    monkeypatch.setattr("titlebout.rollout.embedded_slots.HUNG_SECONDS", 0.3)
    _, first = house.released("a")
    house.released("b")
    stop_supervisor(house.slots.home)
    monkeypatch.setattr("titlebout.rollout.embedded_slots.READY_SECONDS", 10.0)
    before = processes.running("blue", house.slots.home)
    before.suspend()
    time.sleep(
        max(0.0, before.create_time() + 10.5 - time.time())
    )  # until then it might be starting
    house.rollback()
    assert house.answers_with() == first.release
    assert processes.running("blue", house.slots.home).pid != before.pid
