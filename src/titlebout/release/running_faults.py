"""Find where what a slot runs differs from what the ledger says.

The process is compared, the files that it reads, the release record and the traffic.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import psutil

from titlebout import processes
from titlebout.ledger import MOVES
from titlebout.rollout import (
    Deployment,
    EmbeddedSlots,
    content_digest,
    model_homes,
    open_model,
    release_at,
)
from titlebout.spec import SLOT_NAMES, Environment, Release, SlotName, TitleboutError
from titlebout.storage import Storage, layout, open_storage, state_home


def running_faults(project: Path, environment: Environment) -> dict[str, list[str]]:
    """Return for each model what differs, one sentence each.

    The list of a model that runs as the ledger says is empty.
    """
    from titlebout.ledger.database import open_ledger

    storage = open_storage(project, environment.storage)
    ledger = open_ledger(state_home(project) / environment.name)
    found: dict[str, list[str]] = {}
    for home in model_homes(project, environment):
        model = home.name
        try:
            slots = open_model(home)
        except TitleboutError as error:
            found[model] = [f"{error.subject} cannot be read: {error.found}"]
            continue
        last_move = ledger.newest(model, kinds=MOVES)
        recorded = last_move.to_release if last_move else None
        found[model] = [
            *_live_faults(slots, recorded),
            *(fault for slot in SLOT_NAMES for fault in _slot_faults(slots, slot, storage)),
        ]
    return found


def _live_faults(slots: EmbeddedSlots, recorded: str | None) -> Iterator[str]:
    """Compare the live release with the ledger's last move, and with what its slot has deployed."""
    try:
        live = slots.live()
        deployed = slots.deployed(live.slot) if live else None
    except TitleboutError as error:
        yield f"{error.subject} cannot be read: {error.found}"
        return
    if live and recorded and live.release != recorded:
        yield (
            f"release {live.release[:12]} takes the traffic; "
            f"by the ledger release {recorded[:12]} does"
        )
    if live and (deployed is None or deployed.release != live.release):
        found = f"release {deployed.release[:12]}" if deployed else "nothing"
        yield (
            f"slot {live.slot} takes the traffic for release {live.release[:12]}, "
            f"and {found} is deployed there"
        )


def _slot_faults(slots: EmbeddedSlots, slot: SlotName, storage: Storage) -> Iterator[str]:
    try:
        deployed = slots.deployed(slot)
    except TitleboutError as error:
        yield f"slot {slot}: {error.subject} cannot be read: {error.found}"
        return
    if deployed is None:
        return
    found = chain(
        _record_faults(deployed, storage),
        _file_faults(deployed),
        _process_faults(deployed, slots, slot),
    )
    yield from (f"slot {slot}, release {deployed.release[:12]}: {fault}" for fault in found)


def _record_faults(deployed: Deployment, storage: Storage) -> Iterator[str]:
    """Compare what is deployed with the release's record, whose name is its content's hash."""
    path = layout.release(deployed.release)
    name = "/".join(path)
    try:
        record = storage.read_record(Release, *path, digest=deployed.release)
    except FileNotFoundError:
        yield f"its record {name} is missing"
        return
    except TitleboutError as error:
        yield f"its record {name} was altered: {error.found}"
        return
    if deployed.package != record.package_digest:
        yield (
            f"package {deployed.package[:12]} is deployed; "
            f"the release's record says {record.package_digest[:12]}"
        )
    for digest, what in ((record.package_digest, "package"), (deployed.release, "release file")):
        if digest not in deployed.sealed.values():
            yield f"its {what} with digest {digest[:12]} is not among what is checked at a start"
    if not any(part.startswith(target) for part in deployed.command for target in deployed.sealed):
        yield f"its command `{' '.join(deployed.command)}` runs nothing of the package"


def _file_faults(deployed: Deployment) -> Iterator[str]:
    for target, digest in deployed.sealed.items():
        found = content_digest(Path(target))
        if found != digest:
            yield (
                f"{target} has digest {found[:12]} instead of {digest[:12]}: it was altered"
                if found
                else f"{target} is missing"
            )


def _process_faults(deployed: Deployment, slots: EmbeddedSlots, slot: SlotName) -> Iterator[str]:
    """Compare what answers at the slot's address, and its process, with what is deployed."""
    answering, process = release_at(slots.slot_url(slot)), processes.running(slot, slots.home)
    if answering is not None and answering != deployed.release:
        yield f"release {answering[:12]} answers at its address"
    if answering is not None and process is None:
        yield f"its process does not run, and another one answers at {slots.slot_url(slot)}"
    if process is not None and _arguments(process) not in (None, list(deployed.command[1:])):
        yield f"process {process.pid} runs another command than `{' '.join(deployed.command)}`"


def _arguments(process: psutil.Process) -> list[str] | None:
    """Return the arguments, or None if the process has ended.

    The program is left out: macOS names it by another path.
    """
    try:
        return list(process.cmdline()[1:]) or None
    except psutil.Error:
        return None
