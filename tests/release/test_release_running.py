"""What a slot runs is held against the ledger: `status` and `verify` name what differs."""

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
def served(house):
    """Release a in blue, release b live in green; nobody starts again what a test kills."""
    house.released("a")
    house.released("b")
    stop_supervisor(house.slots.home)
    return house


def faults(house):
    found = running_faults(house.project, house.environment)[MODEL]
    assert [f"{MODEL}: {fault}" for fault in found] == [
        fault for fault in verify(house.project, ENVIRONMENT) if "slot" in fault
    ]
    return found


def package_of(house, slot):
    return Path(house.storage.address("packages", house.slots.deployed(slot).package))


def release_file(house, slot):
    return house.slots.slot_folder(slot) / "release.json"


def kill(house, slot):
    """It is gone when this returns."""
    process = processes.running(slot, house.slots.home)
    process.kill()
    process.wait(timeout=20)


def edit(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def add_code(house):
    (package_of(house, "green") / "sitecustomize.py").write_text("print('mine')")


def alter_code(house):
    (package_of(house, "green") / "behaviour.json").write_text(
        json.dumps({"name": "b", "factor": 7})
    )


def link_a_module(house):
    remote_cluster = house.project / "elsewhere"
    remote_cluster.mkdir()
    (package_of(house, "green") / "msgspec").symlink_to(remote_cluster)


def swap_model_and_release(house):
    """What blue holds, in green's place: model and release file fit each other, and neither fits the ledger."""
    green = package_of(house, "green")
    shutil.rmtree(green)
    shutil.copytree(package_of(house, "blue"), green)
    shutil.copy(release_file(house, "blue"), release_file(house, "green"))


def alter_release(house):
    edit(release_file(house, "green"), threshold=0.9)


def delete_package(house):
    shutil.rmtree(package_of(house, "green"))


ATTACKS = [
    add_code,
    alter_code,
    link_a_module,
    swap_model_and_release,
    alter_release,
    delete_package,
]


def test_what_was_released_differs_in_nothing(served):
    """Nor after a rollback, a halt and a start."""
    assert faults(served) == []
    served.rollback()
    served.slots.halt()
    served.slots.resume()
    assert faults(served) == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_altered_files_are_named_while_the_slot_runs_and_are_not_started(served, attack):
    """The digest is checked at each start; before that, `status` and `verify` say that the next start will fail."""
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
    """Model, release file and the slot's own record swapped together, and started: the traffic's record and the ledger say otherwise."""
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
    """It answers with the right release's name, or another: the process is not the one that was deployed."""
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
    """The pid file may name any process; its command line is compared."""
    slots = served.slots
    processes.stop("blue", slots.home, 5)
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    processes.start("blue", sleeper, home=slots.home, env={}, cwd=slots.home)
    assert any("runs another command than" in fault for fault in faults(served))


def test_a_package_that_the_release_does_not_name_is_named(served):
    """The slot's record may fit its files; the release's record, whose name is its hash, says another package."""
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
    """A file that was cut in the middle is a fault of its slot alone."""
    (served.slots.home / "slots" / "blue.json").write_text('{"release": "')
    add_code(served)
    found = faults(served)
    assert any(fault.startswith("slot blue: ") and "cannot be read" in fault for fault in found)
    assert any(fault.startswith("slot green, ") for fault in found)


def test_a_rollback_to_altered_code_is_refused_and_moves_nothing(served):
    """A slot that is down is started before the switch, and its files are checked first."""
    live = served.slots.live()
    (package_of(served, "blue") / "extra.py").write_text("import os")
    kill(served, "blue")
    with pytest.raises((IntegrityError, RolloutError), match="the content was altered"):
        served.rollback()
    assert served.slots.live() == live
