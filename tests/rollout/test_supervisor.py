"""Restart what ends or hangs, and leave down what somebody stopped."""

import os
import signal
import time

import psutil
import pytest
from test_rollout_switch import ask

from titlebout import processes
from titlebout.rollout import supervisor
from titlebout.rollout.proxy import PROXY
from titlebout.rollout.supervisor_process import SUPERVISOR, start_supervisor, stop_supervisor
from titlebout.spec import IntegrityError

PATIENCE_SECONDS = 30.0  # a busy machine; how fast it really is, benchmarks/ measures


def wait_for(condition, what):
    """Wait until the condition is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def answered_by(rig):
    """Return the release that answers a prediction, or None."""
    status, body, _ = ask(f"{rig.slots.url}/predict", {"x": 1.0})
    return body.get("release") if status == 200 else None


def came_back(rig, name, *, pid):
    """Tell whether another process of that name runs and the release answers."""
    process = processes.running(name, rig.slots.home)
    return (
        process is not None
        and process.pid != pid
        and processes.answers(f"{rig.slots.url}/-/proxy")
        and answered_by(rig)
    )


@pytest.mark.parametrize("name", ["blue", "green", PROXY])
def test_what_is_killed_comes_back(rig, name):
    """A killed slot or proxy is replaced by another process with the same release."""
    rig.both_slots()
    pid = processes.running(name, rig.slots.home).pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: came_back(rig, name, pid=pid), f"{name} is down")
    assert answered_by(rig) == rig.release("a")
    wait_for(
        lambda: (
            f"{name} (process {pid}) ended; started again"
            in processes.log_tail(SUPERVISOR, rig.slots.home)
        ),
        "nothing is said",
    )


def test_what_is_killed_again_and_again_comes_back_with_pauses(rig):
    """A process killed twice is restarted at once, then after a second.

    So a slot that ends at its start does not take the machine.
    """
    rig.both_slots()
    for _ in range(2):
        process = processes.running("blue", rig.slots.home)
        process.kill()
        wait_for(lambda pid=process.pid: came_back(rig, "blue", pid=pid), "blue is down")


def test_down_stays_down(rig):
    """`halt` ends the supervisor first: nothing is restarted, and nothing is left."""
    rig.both_slots()
    rig.slots.halt()
    time.sleep(5 * supervisor.POLL_SECONDS)
    names = [PROXY, "blue", "green", SUPERVISOR]
    assert [
        name
        for name in names
        if processes.running(name, rig.slots.home) or processes.orphan(name, rig.slots.home)
    ] == []


def test_a_slot_that_is_stopped_on_purpose_stays_down(rig):
    """An undeployed or halted slot is not restarted, and nothing is logged."""
    rig.both_slots()
    rig.slots.undeploy("green")
    rig.slots.halt_slot("blue")
    time.sleep(5 * supervisor.POLL_SECONDS)
    assert [processes.running(slot, rig.slots.home) for slot in ("blue", "green")] == [None, None]
    assert "started again" not in processes.log_tail(SUPERVISOR, rig.slots.home)


def test_a_slot_under_test_is_left_alone(rig):
    """A slot under test is not restarted: its tests must see it end."""
    rig.both_slots()
    rig.deploy("green", "c")
    processes.running("green", rig.slots.home).kill()
    time.sleep(10 * supervisor.POLL_SECONDS)
    assert processes.running("green", rig.slots.home) is None


def test_a_killed_supervisor_is_brought_back_and_takes_up_its_work(rig):
    """A restarted supervisor finds slots and proxy, starts none twice, and watches again."""
    rig.both_slots()
    before = {
        name: processes.running(name, rig.slots.home).pid for name in (PROXY, "blue", "green")
    }
    processes.running(SUPERVISOR, rig.slots.home).kill()
    wait_for(lambda: processes.running(SUPERVISOR, rig.slots.home) is None, "the supervisor lives")
    rig.slots.start_proxy()
    assert {name: processes.running(name, rig.slots.home).pid for name in before} == before
    os.kill(before["blue"], signal.SIGKILL)
    wait_for(lambda: came_back(rig, "blue", pid=before["blue"]), "blue is down")


def test_stopping_the_supervisor_leaves_what_it_started(rig):
    """A slot that the supervisor restarted is its child, and does not end with it."""
    rig.both_slots()
    pid = processes.running("blue", rig.slots.home).pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: came_back(rig, "blue", pid=pid), "blue is down")
    child = processes.running("blue", rig.slots.home)
    assert stop_supervisor(rig.slots.home)
    assert child.is_running()
    assert child.status() != psutil.STATUS_ZOMBIE
    assert answered_by(rig) == rig.release("a")
    start_supervisor(rig.slots.home)


def test_a_slot_whose_package_was_altered_is_not_started_again(rig):
    """The supervisor does not start an altered package, and its log says why."""
    rig.both_slots()
    (rig.slots.home / "packages" / "a" / "extra.py").write_text("import os")
    processes.running("blue", rig.slots.home).kill()
    wait_for(
        lambda: "the content was altered" in processes.log_tail(SUPERVISOR, rig.slots.home),
        "nothing is said",
    )
    assert processes.running("blue", rig.slots.home) is None
    with pytest.raises(IntegrityError, match="the content was altered"):
        rig.slots.start("blue")


def test_a_slot_that_hangs_is_killed_and_started_again(rig, monkeypatch):
    """A slot stopped by SIGSTOP is killed after three probes without an answer, and restarted."""
    rig.both_slots()
    stop_supervisor(rig.slots.home)
    monkeypatch.setattr(supervisor, "LIVENESS_SECONDS", 0.2)
    part = next(part for part in supervisor.parts_of(rig.slots) if part.name == "blue")
    watch = supervisor.RestartWatch(part, rig.slots.home)
    watch.step()  # it answers
    process = processes.running("blue", rig.slots.home)
    process.suspend()
    wait_for(lambda: watch.step() or came_back(rig, "blue", pid=process.pid), "blue hangs")
    assert answered_by(rig) == rig.release("a")


def test_a_busy_slot_is_not_taken_for_one_that_hangs(rig, monkeypatch):
    """A slot that answers one probe in three, with any status, is not killed."""
    rig.both_slots()
    stop_supervisor(rig.slots.home)
    monkeypatch.setattr(supervisor, "LIVENESS_SECONDS", 0.0)
    replies = iter([True, False, False, True, False, False, True])
    monkeypatch.setattr(processes, "responds", lambda url, *, seconds: next(replies))
    part = next(part for part in supervisor.parts_of(rig.slots) if part.name == "blue")
    watch, before = supervisor.RestartWatch(part, rig.slots.home), rig.slots.pid("blue")
    for _ in range(7):
        watch.step()
    assert rig.slots.pid("blue") == before


def test_the_supervisor_ends_with_its_folder(rig, tmp_path):
    """The supervisor ends when its folder is gone, so a deleted project leaves no process."""
    rig.slots.start_proxy()
    process = processes.running(SUPERVISOR, rig.slots.home)
    processes.stop(PROXY, rig.slots.home, 5)
    rig.slots.home.rename(tmp_path / "moved")
    wait_for(
        lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE,
        "the supervisor lives",
    )
    (tmp_path / "moved").rename(rig.slots.home)
