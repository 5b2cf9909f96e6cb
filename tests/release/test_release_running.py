"""Compare what a slot runs with the ledger: `status` and `verify` name what differs."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from support.release_project import ENVIRONMENT, MODEL

from titlebout import processes
from titlebout.release import running_faults, verify
from titlebout.rollout.supervisor_process import stop_supervisor
from titlebout.spec import IntegrityError, RolloutError


@pytest.fixture
def served(release_project):
    """Release a in blue and b in green; stop the supervisor, which restarts what a test kills."""
    release_project.released("a")
    release_project.released("b")
    stop_supervisor(release_project.slots.home)
    return release_project


def faults(release_project):
    found = running_faults(release_project.project, release_project.environment)[MODEL]
    assert [f"{MODEL}: {fault}" for fault in found] == [
        fault for fault in verify(release_project.project, ENVIRONMENT) if "slot" in fault
    ]
    return found


def package_of(release_project, slot):
    return Path(
        release_project.storage.address("packages", release_project.slots.deployed(slot).package)
    )


def release_file(release_project, slot):
    return release_project.slots.slot_folder(slot) / "release.json"


def kill(release_project, slot):
    """Kill the slot's process, and wait until it is gone."""
    process = processes.running(slot, release_project.slots.home)
    process.kill()
    process.wait(timeout=20)


def edit(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def add_code(release_project):
    (package_of(release_project, "green") / "sitecustomize.py").write_text("print('mine')")


def alter_code(release_project):
    (package_of(release_project, "green") / "behaviour.json").write_text(
        json.dumps({"name": "b", "factor": 7})
    )


def link_a_module(release_project):
    remote_cluster = release_project.project / "elsewhere"
    remote_cluster.mkdir()
    (package_of(release_project, "green") / "msgspec").symlink_to(remote_cluster)


def swap_model_and_release(release_project):
    """Copy blue's model and release file to green: they fit each other, and not the ledger."""
    green = package_of(release_project, "green")
    shutil.rmtree(green)
    shutil.copytree(package_of(release_project, "blue"), green)
    shutil.copy(release_file(release_project, "blue"), release_file(release_project, "green"))


def alter_release(release_project):
    edit(release_file(release_project, "green"), threshold=0.9)


def delete_package(release_project):
    shutil.rmtree(package_of(release_project, "green"))


ATTACKS = [
    add_code,
    alter_code,
    link_a_module,
    swap_model_and_release,
    alter_release,
    delete_package,
]


def test_what_was_released_differs_in_nothing(served):
    """Find nothing, also after a rollback, a halt and a start."""
    assert faults(served) == []
    served.rollback()
    served.slots.halt()
    served.slots.resume()
    assert faults(served) == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_altered_files_are_named_while_the_slot_runs_and_are_not_started(served, attack):
    """Check the digest at each start; before that, `status` and `verify` name the files."""
    attack(served)
    assert all(fault.startswith("slot green, release ") for fault in faults(served))
    assert faults(served) != []
    kill(served, "green")
    with pytest.raises(IntegrityError, match="which slot green of tiny would run"):
        served.slots.start("green")
    with pytest.raises(ExceptionGroup) as caught:
        served.slots.resume()
    assert [type(error) for error in caught.value.exceptions] == [IntegrityError]


def test_a_slot_that_was_made_to_fit_another_release_is_named(served):
    """Find model, release file and slot record that were swapped together and started."""
    slots = served.slots
    blue, green = slots.deployed("blue"), slots.deployed("green")
    kill(served, "green")
    forged = green.model_copy(
        update={"release": blue.release, "package": blue.package, "sealed": blue.sealed}
    )
    command = tuple(part.replace(green.package, blue.package) for part in green.command)
    variables = {
        name: value.replace("/green/", "/blue/") for name, value in green.environment.items()
    }
    (slots.home / "slots" / "green.json").write_text(
        forged.model_copy(update={"command": command, "environment": variables}).canonical_json()
    )
    processes.pid_path("green", slots.home).unlink()
    slots.start("green")
    assert served.answers_with() == blue.release
    assert any(
        f"and release {blue.release[:12]} is deployed there" in fault for fault in faults(served)
    )


def test_another_program_in_the_slots_place_is_named(served):
    """Find that the process is not the one that was deployed, whatever it answers."""
    slots = served.slots
    blue = slots.deployed("blue")
    processes.stop("green", slots.home, 5)
    impostor = [*blue.command[:-1], str(slots.port("green"))]
    processes.start(
        "impostor", impostor, home=served.project, env=blue.environment, cwd=served.project
    )
    try:
        processes.wait_until_ready(
            "impostor",
            served.project,
            lambda: processes.answers(slots.slot_url("green")),
            timeout_seconds=20,
        )
        found = faults(served)
    finally:
        processes.stop("impostor", served.project, 5)
    assert any(f"release {blue.release[:12]} answers at its address" in fault for fault in found)
    assert any("its process does not run, and another one answers" in fault for fault in found)


def test_another_command_under_the_slots_name_is_named(served):
    """Compare the command line of the process that the pid file names."""
    slots = served.slots
    processes.stop("blue", slots.home, 5)
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    processes.start("blue", sleeper, home=slots.home, env={}, cwd=slots.home)
    assert any("runs another command than" in fault for fault in faults(served))


def test_a_package_that_the_release_does_not_name_is_named(served):
    """Compare with the release's record, though the slot's record fits its files."""
    slots = served.slots
    blue, green = slots.deployed("blue"), slots.deployed("green")
    forged = green.model_copy(
        update={
            "package": blue.package,
            "sealed": {**blue.sealed, str(release_file(served, "green")): green.release},
        }
    )
    (slots.home / "slots" / "green.json").write_text(forged.canonical_json())
    assert any("the release's record says" in fault for fault in faults(served))


def test_a_record_that_cannot_be_read_is_named_and_the_other_slot_is_looked_at(served):
    """Report a cut file as a fault of its slot alone."""
    (served.slots.home / "slots" / "blue.json").write_text('{"release": "')
    add_code(served)
    found = faults(served)
    assert any(fault.startswith("slot blue: ") and "cannot be read" in fault for fault in found)
    assert any(fault.startswith("slot green, ") for fault in found)


def test_a_rollback_to_altered_code_is_refused_and_moves_nothing(served):
    """Check the files before a stopped slot is started and switched to."""
    live = served.slots.live()
    (package_of(served, "blue") / "extra.py").write_text("import os")
    kill(served, "blue")
    with pytest.raises((IntegrityError, RolloutError), match="the content was altered"):
        served.rollback()
    assert served.slots.live() == live
