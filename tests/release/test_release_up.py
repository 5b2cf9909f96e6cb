"""Start each part by itself with `titlebout up` after a reboot, whatever else is broken."""

import json
import shutil
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.release_project import ENVIRONMENT

from titlebout import processes
from titlebout.rollout.supervisor_process import SUPERVISOR
from titlebout.storage import state_home

TITLEBOUT = Path(sys.executable).with_name("titlebout")


@pytest.fixture
def rebooted(release_project):
    """Release a in blue and b in green, stop all, and take MLflow's port by another program."""
    release_project.released("a")
    _, release_project.second = release_project.released("b")
    release_project.slots.halt()
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        release_project.declare(mlflow=f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield release_project


def up(release_project):
    done = subprocess.run(
        [TITLEBOUT, "up", ENVIRONMENT, "--json"],
        cwd=release_project.project,
        capture_output=True,
        check=False,
        text=True,
        timeout=200,
    )
    (found,) = json.loads(done.stdout)
    return done, found


@contextmanager
def package_deleted(release_project):
    shutil.rmtree(
        release_project.storage.address("packages", release_project.slots.deployed("blue").package)
    )
    yield "no such file or folder"


@contextmanager
def port_taken(release_project):
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", release_project.slots.port("blue")))
        listener.listen()
        yield "the process ended"


@contextmanager
def record_cut(release_project):
    (release_project.slots.home / "slots" / "blue.json").write_text('{"release": "')
    yield "Invalid JSON"


@contextmanager
def package_altered(release_project):
    (
        Path(
            release_project.storage.address(
                "packages", release_project.slots.deployed("blue").package
            )
        )
        / "more.py"
    ).write_text("import os")
    yield "the content was altered"


@pytest.mark.parametrize("breakage", [package_deleted, port_taken, record_cut, package_altered])
def test_a_broken_idle_slot_and_a_registry_that_cannot_start_leave_the_live_release_up(
    rebooted, breakage
):
    """Name both in JSON and in words, and fail; the live release answers, supervised."""
    with breakage(rebooted) as why:
        done, found = up(rebooted)
    assert done.returncode == 1
    assert rebooted.answers_with() == rebooted.second.release
    assert processes.running(SUPERVISOR, rebooted.slots.home) is not None
    slot, registry = sorted(found["faults"], key=lambda fault: "MLflow" in fault["subject"])
    assert "blue" in slot["subject"]
    assert why in slot["found"]
    assert "another program holds it" in registry["found"]
    assert slot["subject"] in done.stderr
    assert registry["subject"] in done.stderr
    states = {slot["slot"]: slot["state"] for slot in found["models"][0]["slots"]}
    assert states["green"] == "running"
    assert states["blue"] != "running"


def test_a_model_whose_folder_is_broken_keeps_no_other_down(rebooted):
    """Start each model by itself."""
    other = rebooted.slots.home.with_name("broken")
    other.mkdir()
    (other / "ports.json").write_text("{")
    done = subprocess.run(
        [TITLEBOUT, "up", ENVIRONMENT],
        cwd=rebooted.project,
        capture_output=True,
        check=False,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1
    assert str(other / "ports.json") in done.stderr
    assert rebooted.answers_with() == rebooted.second.release
    down = subprocess.run(
        [TITLEBOUT, "down", ENVIRONMENT],
        cwd=rebooted.project,
        capture_output=True,
        check=False,
        text=True,
        timeout=200,
    )
    assert down.returncode == 1
    assert processes.running("green", rebooted.slots.home) is None
    shutil.rmtree(other)


def test_a_registry_whose_folder_cannot_be_made_is_named(rebooted):
    """Report the machine's own error without a traceback, and start the rest."""
    rebooted.declare(mlflow="http://127.0.0.1:65529")
    blocked = state_home(rebooted.project) / "mlflow"
    blocked.touch()
    done, found = up(rebooted)
    assert done.returncode == 1
    assert [str(blocked) in fault["found"] for fault in found["faults"]] == [True]
    assert "Traceback" not in done.stderr
    assert rebooted.answers_with() == rebooted.second.release


def test_status_names_what_was_altered_and_what_does_not_answer(rebooted):
    """Name it in words, and succeed, since `status` only asks."""
    rebooted.slots.resume()
    with package_altered(rebooted):
        done = subprocess.run(
            [TITLEBOUT, "status", ENVIRONMENT],
            cwd=rebooted.project,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0
    assert "DIFFERS from the ledger: slot blue, release" in done.stdout
    assert "supervisor running" in done.stdout
