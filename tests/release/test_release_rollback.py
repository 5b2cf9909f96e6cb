"""Roll back: fast, complete, without MLflow, and never forward again."""

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


def test_a_rollback_under_load_fails_no_request(release_project):
    """Answer both kinds of clients all the time, first by the new release, then by the old one."""
    _, first = release_project.released("a")
    _, second = release_project.released("b")
    load = Load(
        f"{release_project.slots.url}/predict",
        bodies=[{"x": 1.0}],
        rate=60,
        request_id_prefix="test-",
    )
    with BackgroundLoad(load, seconds=60):
        time.sleep(0.3)
        release_project.rollback()
        since = time.time()
        time.sleep(0.4)
    found = summary(load.answers)
    assert found["failed"] == 0, found["statuses"]
    assert {answer.release for answer in load.answers if answer.at < since} >= {second.release}
    after = [answer for answer in load.answers if answer.due > since]
    assert {answer.release for answer in after} == {first.release}
    assert {answer.kind for answer in after} == set(KINDS)


def test_a_rollback_brings_alias_and_ledger_along(release_project):
    """Make the old version Champion again, and record by whom and why."""
    version, first = release_project.released("a")
    release_project.released("b")
    outcome = release_project.rollback(by="on call", reason="customers complain")
    assert (outcome.state, outcome.release, outcome.note) == ("rolled back", first.release, None)
    assert release_project.champion() == version.version
    assert release_project.kinds()[-1] == ("rolled_back", first.release)
    assert verify(release_project.project, ENVIRONMENT) == []


def test_a_rollback_run_twice_does_not_go_forth_again(release_project):
    """Move nothing the second time."""
    _, first = release_project.released("a")
    release_project.released("b")
    release_project.rollback()
    assert release_project.rollback().state == "already rolled back"
    assert release_project.answers_with() == first.release
    assert [kind for kind, _ in release_project.kinds()].count("rolled_back") == 1


def test_a_rollback_needs_no_registry_and_the_alias_follows_later(release_project):
    """Move traffic and ledger at once, and the alias at the next command."""
    version, first = release_project.released("a")
    release_project.released("b")
    release_project.disconnect()
    outcome = release_project.rollback()
    assert "has not moved yet" in outcome.note
    assert release_project.answers_with() == first.release
    assert release_project.kinds()[-1] == ("rolled_back", first.release)
    assert release_project.champion() != version.version
    release_project.reconnect()
    assert release_project.rollback().note is None
    assert release_project.champion() == version.version


def test_nothing_to_roll_back_to_is_said(release_project):
    """Raise RolloutError before the first release, and after it."""
    with pytest.raises(RolloutError, match="nothing was ever released"):
        release_project.rollback()
    _, first = release_project.released("a")
    with pytest.raises(RolloutError, match="is the first release"):
        release_project.rollback()
    assert release_project.answers_with() == first.release


def test_a_release_under_way_has_taken_the_slot_to_roll_back_to(release_project):
    """Refuse from the deployment on, instead of a switch to an untested slot."""
    release_project.released("a")
    _, second = release_project.released("b")
    release_project.challenger(name="c")
    refused = []

    def on_call(line):
        if line.startswith("ready"):
            with pytest.raises(RolloutError, match="a later release took slot blue") as caught:
                release_project.rollback()
            refused.append(caught.value)
            assert "a release under way: one by" in caught.value.found
            assert release_project.answers_with() == second.release

    release_project.release(progress=on_call)
    assert len(refused) == 1


def test_a_rollback_that_moves_nothing_names_the_release_under_way(release_project):
    """Refuse to say "already rolled back" while a release may still move the traffic."""
    release_project.released("a")
    release_project.released("b")
    release_project.rollback()
    release_project.challenger(name="c")
    refused = []

    def on_call(line):
        if line.startswith("challenger"):
            with pytest.raises(RolloutError, match="a release under way: one by") as caught:
                release_project.rollback()
            refused.append(caught.value)

    release_project.release(progress=on_call)
    assert len(refused) == 1
    assert "stop that release" in refused[0].next_step


def test_a_dead_rollback_slot_is_started_again(release_project):
    """Start a process that has died since, before the switch."""
    _, first = release_project.released("a")
    release_project.released("b")
    release_project.slots.halt_slot("blue")
    release_project.rollback()
    assert release_project.answers_with() == first.release


def test_the_traffic_moves_before_anything_heavy_is_imported(release_project):
    """Switch before MLflow, the database or pandas is imported."""
    release_project.released("a")
    release_project.released("b")
    script = f"""
import sys
from pathlib import Path
from titlebout.release import rollback
from titlebout.rollout.traffic import Traffic

def move(self, change, *, dial):
    heavy = {{"mlflow", "sqlalchemy", "pandas", "numpy", "aiohttp", "sklearn", "bentoml"}}
    print(sorted(heavy & set(sys.modules)))
    raise SystemExit(0)

Traffic.move = move
project = Path({str(release_project.project)!r})
rollback(project, {MODEL!r}, {ENVIRONMENT!r}, by="a test", reason="to see")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_what_was_rolled_back_while_the_registry_was_away_is_no_challenger_any_more(
    release_project,
):
    """Clear the alias at the next command, so that no release repeats it."""
    version, first = release_project.released("a")
    release_project.challenger(name="b")
    with pytest.raises(NotAllowed, match="somebody moved the traffic"):
        release_project.release(
            progress=lambda line: (
                release_project.disconnect()
                if line.startswith("switch")
                else bake_ends(release_project, line)
            )
        )
    assert release_project.registry.find(MODEL, alias="challenger") is not None
    release_project.reconnect()
    with pytest.raises(NotAllowed, match="was rolled back"):
        release_project.release()
    assert release_project.answers_with() == first.release
    assert release_project.champion() == version.version


def bake_ends(release_project, line):
    """Roll back as the bake begins."""
    if line.startswith("bake"):
        release_project.rollback()


def test_a_rollback_brings_back_a_proxy_that_died(release_project):
    """Start the proxy before the command says that a release has the traffic again."""
    _, first = release_project.released("a")
    release_project.released("b")
    stop_supervisor(release_project.slots.home)
    processes.running(PROXY, release_project.slots.home).kill()
    outcome = release_project.rollback()
    assert (outcome.state, release_project.answers_with()) == ("rolled back", first.release)
    assert processes.running(SUPERVISOR, release_project.slots.home) is not None


@pytest.mark.parametrize("again", [False, True])
def test_a_rollback_whose_release_does_not_answer_is_an_error(release_project, again, monkeypatch):
    """Fail each time it is run, though traffic and ledger have moved."""
    _, first = release_project.released("a")
    release_project.released("b")
    if again:
        release_project.rollback()
    stop_supervisor(release_project.slots.home)
    monkeypatch.setattr("titlebout.rollout.embedded_slots.ANSWER_SECONDS", 0.2)
    # The proxy cannot be started, for example because another program has its port.
    monkeypatch.setattr(
        "titlebout.rollout.embedded_slots.EmbeddedSlots.start_proxy", lambda slots: None
    )
    processes.stop(PROXY, release_project.slots.home, 5)
    with pytest.raises(
        RolloutError, match=r"traffic goes now, to answer; found it does not: .* no answer"
    ):
        release_project.rollback()
    assert release_project.slots.live().release == first.release
    assert release_project.kinds()[-1] == ("rolled_back", first.release)


def test_a_rollback_run_again_brings_back_a_live_slot_that_died(release_project):
    """Start the live slot again, and move nothing."""
    _, first = release_project.released("a")
    release_project.released("b")
    release_project.rollback()
    stop_supervisor(release_project.slots.home)
    processes.running("blue", release_project.slots.home).kill()
    assert release_project.rollback().state == "already rolled back"
    assert release_project.answers_with() == first.release


def test_a_rollback_slot_that_hangs_is_started_anew(release_project, monkeypatch):
    """Restart a process that runs but does not answer."""
    monkeypatch.setattr("titlebout.rollout.embedded_slots.HUNG_SECONDS", 0.3)
    _, first = release_project.released("a")
    release_project.released("b")
    stop_supervisor(release_project.slots.home)
    monkeypatch.setattr("titlebout.rollout.embedded_slots.READY_SECONDS", 10.0)
    before = processes.running("blue", release_project.slots.home)
    before.suspend()
    # Until then it counts as starting.
    time.sleep(max(0.0, before.create_time() + 10.5 - time.time()))
    release_project.rollback()
    assert release_project.answers_with() == first.release
    assert processes.running("blue", release_project.slots.home).pid != before.pid
