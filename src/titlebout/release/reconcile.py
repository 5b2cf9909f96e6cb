"""Bring the embedded ledger after the traffic: write what it lacks of every change, whoever made that change."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from titlebout.ledger import OVERRIDDEN, SETTLED, EntryDraft, draft_of_settling, drafts_of_change
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
    """Write every change of the traffic that the ledger lacks, and note beside each change what was written.

    Idempotent, and the only writer of an embedded ledger. Raises IntegrityError if the ledger was altered, lost, or made anew.
    """
    from titlebout.ledger import move_anchor

    move_anchor(
        storage, ledger, model
    )  # first, so that nothing is written after a chain that was cut short
    changes = slots.traffic.history()
    noted = {
        change.number: slots.traffic.recorded(change.number) for change in changes
    }  # before the chain: another writer may be at it
    written = {stored.key: stored for stored in ledger.chain(model)}
    if lost := next(
        (
            fault
            for number, recorded in noted.items()
            for fault in lost_entries(number, recorded, written)
        ),
        None,
    ):
        raise IntegrityError(
            f"ledger of {subject}",
            expected="what was written there",
            found=lost,
            next_step="restore ledger.db from a backup; docs/history.md",
        )
    for change in changes:
        is_new = key_of(slots, change) not in written
        for draft in drafts_of(
            slots, change, release_record(change.release).override if is_new else None
        ):
            if draft.key not in written:
                draft.write(ledger, model)
    _note_recorded(ledger, slots, model, changes)
    move_anchor(storage, ledger, model)


def note_settled(slots: EmbeddedSlots, change: Change, *, by: str, reason: str) -> bool:
    """Note beside the change that its bake went well; return False if the traffic has moved on since."""
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
    """Name what a ledger once wrote about the change with this number, and this ledger does not hold."""
    gone = [key for key in noted.hashes if key not in written]
    other = [
        written[key].sequence
        for key, hash_then in noted.hashes.items()
        if key in written and written[key].hash != hash_then
    ]
    return [
        *(
            f"the entry about change {number} of the traffic ({key}) was written and is gone: the ledger is lost"
            for key in gone
        ),
        *(
            f"entry {sequence} is not the one that was written about change {number}: the ledger was made anew"
            for sequence in other
        ),
    ]


def _note_recorded(
    ledger: "Ledger", slots: EmbeddedSlots, model: str, changes: list[Change]
) -> None:
    """Make the notes that are missing, such as one that a killed release never made."""
    traffic, written = slots.traffic, {stored.key: stored.hash for stored in ledger.chain(model)}
    with slots.lock_traffic():
        for change in changes:
            key = key_of(slots, change)
            hashes = {
                one: written[one]
                for one in (key, f"{key}{SETTLED}", f"{key}{OVERRIDDEN}")
                if one in written
            }
            if hashes.keys() - traffic.recorded(change.number).hashes.keys():
                traffic.note_recorded(change.number, Recorded(hashes=hashes))
