"""Bring the embedded ledger after the traffic: write what it lacks of every change."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from titlebout.ledger import (
    OVERRIDDEN,
    SETTLED,
    EntryDraft,
    Tail,
    draft_of_settling,
    drafts_of_change,
)
from titlebout.rollout import Change, EmbeddedSlots, Recorded, Settled
from titlebout.spec import IntegrityError, Override, Release
from titlebout.storage import Storage

if TYPE_CHECKING:
    from titlebout.ledger.database import Ledger, StoredEntry


def write_changes(
    ledger: "Ledger",
    slots: EmbeddedSlots,
    *,
    model: str,
    subject: str,
    storage: Storage,
    release_record: Callable[[str], Release],
) -> None:
    """Write every change of the traffic that the ledger lacks, and note beside it what was written.

    Idempotent, and the only writer of an embedded ledger. Raises IntegrityError if the end of the
    ledger was altered or cut short, or if the ledger was lost or made anew.
    """
    from titlebout.ledger import read_tail

    changes = slots.traffic.history(since=_newest_recorded(slots))
    noted = _noted(slots, changes)  # before the ledger: another writer may be at both
    tail = read_tail(storage, ledger, model)
    if _first_lost(noted, tail):
        raise _lost_ledger(slots, tail, subject)
    tail.note_end()  # what a killed writer wrote is kept, whatever fails below
    written = tail.find({key for change in changes for key in _keys(slots, change)})
    for change in changes:
        is_new = key_of(slots, change) not in written
        override = release_record(change.release).override if is_new else None
        tail.write_change(drafts_of(slots, change, override))
    _note_recorded(tail, slots, changes)
    tail.note_end()


def note_settled(slots: EmbeddedSlots, change: Change, *, by: str, reason: str) -> bool:
    """Note beside the change that its bake went well; return False if the traffic has moved on."""
    with slots.lock_traffic():
        live = slots.live()
        if live is None or live.number != change.number:
            return False
        slots.traffic.settle(
            change.number, Settled(by=by, reason=reason, time=datetime.now(UTC).isoformat())
        )
    return True


def key_of(slots: EmbeddedSlots, change: Change) -> str:
    """Return the key of a change's entry: the address of the traffic and the change's number."""
    return f"{slots.ports.address}/{change.number}"


def drafts_of(slots: EmbeddedSlots, change: Change, override: Override | None) -> list[EntryDraft]:
    """Return the entries about a change, in order; `override` is that of its release."""
    key = key_of(slots, change)
    drafts = drafts_of_change(change, key=key, override=override)
    if settled := slots.traffic.settled(change.number):
        drafts.append(draft_of_settling(drafts[-1], **settled.model_dump()))
    return drafts


def lost_entries(number: int, noted: Recorded, written: "dict[str, StoredEntry]") -> list[str]:
    """Name what a ledger once wrote about the change with this number and does not hold now."""
    gone = [key for key in noted.hashes if key not in written]
    other = [
        written[key].sequence
        for key, hash_then in noted.hashes.items()
        if key in written and written[key].hash != hash_then
    ]
    return [
        *(
            f"the entry about change {number} of the traffic ({key}) was written and is gone: "
            "the ledger is lost"
            for key in gone
        ),
        *(
            f"entry {sequence} is not the one that was written about change {number}: "
            "the ledger was made anew"
            for sequence in other
        ),
    ]


def _newest_recorded(slots: EmbeddedSlots) -> int:
    """Return the number of the newest change with a note of what was written about it, or 1.

    The ledger holds all about the changes before: notes are made in the order of changes, and a
    change that is not live any more gets no settlement.
    """
    live = slots.live()
    numbers = range(live.number, 0, -1) if live else range(0)
    return next((number for number in numbers if slots.traffic.recorded(number).hashes), 1)


def _keys(slots: EmbeddedSlots, change: Change) -> tuple[str, str, str]:
    key = key_of(slots, change)
    return key, f"{key}{SETTLED}", f"{key}{OVERRIDDEN}"


def _noted(slots: EmbeddedSlots, changes: list[Change]) -> dict[int, Recorded]:
    return {change.number: slots.traffic.recorded(change.number) for change in changes}


def _first_lost(noted: dict[int, Recorded], tail: Tail) -> str | None:
    """Return what is wrong with the first entry that was noted and is not there."""
    written = tail.find({key for recorded in noted.values() for key in recorded.hashes})
    faults = (
        fault
        for number, recorded in noted.items()
        for fault in lost_entries(number, recorded, written)
    )
    return next(faults, None)


def _lost_ledger(slots: EmbeddedSlots, tail: Tail, subject: str) -> IntegrityError:
    """Return the error of a lost ledger, which names the first of all changes that it lacks."""
    return IntegrityError(
        f"ledger of {subject}",
        expected="what was written there",
        found=str(_first_lost(_noted(slots, slots.traffic.history()), tail)),
        next_step="restore ledger.db from a backup; docs/history.md",
    )


def _note_recorded(tail: Tail, slots: EmbeddedSlots, changes: list[Change]) -> None:
    """Make the notes that are missing, such as one that a killed release never made."""
    traffic = slots.traffic
    written = tail.find({key for change in changes for key in _keys(slots, change)})
    with slots.lock_traffic():
        for change in changes:
            keys = _keys(slots, change)
            hashes = {key: written[key].hash for key in keys if key in written}
            if hashes.keys() - traffic.recorded(change.number).hashes.keys():
                traffic.note_recorded(change.number, Recorded(hashes=hashes))
