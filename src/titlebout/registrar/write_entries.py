"""Write what a sighting adds to the ledger, in the order in which it happened.

That is what releases and rollbacks stated, what was settled, and what came from outside.
"""

from titlebout.ledger import (
    MOVES,
    EntryDraft,
    Tail,
    draft_of_settling,
    drafts_of_change,
    read_tail,
)
from titlebout.ledger.database import Ledger, StoredEntry
from titlebout.registrar.sighting import UNKNOWN_WRITER, Sighting
from titlebout.rollout import Change
from titlebout.rollout.kubernetes import Settlement, Statement
from titlebout.spec import LedgerEntry, Override, Release, SlotName, moment_of, other_than
from titlebout.storage import Storage, layout


def write(sighting: Sighting, ledger: Ledger, storage: Storage) -> Change | None:
    """Append what the ledger lacks, and return the change by which it says what is live.

    Nothing is appended if the ledger has all. Raises IntegrityError if the end of the chain was
    altered or cut short.
    """
    tail = read_tail(storage, ledger, sighting.model)
    tail.note_end()  # what a killed registrar wrote is kept, whatever fails below
    unwritten = _unwritten_statements(sighting, tail)
    settlement = sighting.settlement
    if settlement and settlement.id not in {statement.id for statement in unwritten}:
        _write_settlement(settlement, tail)
    for statement in unwritten:
        _write_unseen(statement, sighting, tail, storage)
        _write_statement(statement, sighting, tail, storage)
        if settlement and settlement.id == statement.id:
            _write_settlement(settlement, tail)
    _write_outside_change(sighting, tail, storage)
    tail.note_end()
    live = tail.last_move()
    return change_of(live) if live else None


def last_move(entries: list[StoredEntry]) -> StoredEntry | None:
    """Return the entry by which these entries say that a release is live, or None."""
    return next((entry for entry in reversed(entries) if entry.kind in MOVES), None)


def change_of(entry: LedgerEntry | StoredEntry) -> Change:
    """Return a move of the traffic as its ledger entry describes it."""
    fields = {
        name: getattr(entry, name)
        for name in ("from_release", "kind", "by", "reason", "time", "evidence")
    }
    return Change(
        number=entry.sequence, slot=entry.evidence["slot"], release=entry.to_release, **fields
    )


def _unwritten_statements(sighting: Sighting, tail: Tail) -> list[Statement]:
    """Return the statements that the ledger does not have, oldest first.

    A ledger goes forward only. So its newest entry about any statement is about the last one that
    is written. No statement before that is added.
    """
    statements = [
        *sighting.earlier.statements,
        *([sighting.statement] if sighting.statement else []),
    ]
    ids = [statement.id for statement in statements]
    newest = tail.newest_about(ids) if ids else None
    return statements[ids.index(newest.evidence["change"]) + 1 :] if newest else statements


def _write_statement(
    statement: Statement, sighting: Sighting, tail: Tail, storage: Storage
) -> None:
    """Write the entries of a statement.

    The key is the Service's version if the statement is live, and the statement's id if it was.
    """
    is_live = sighting.is_as_stated and statement == sighting.statement
    key = sighting.service if is_live else f"{_service_uid(sighting)}/before/{statement.id}"
    override = _override_of(storage, statement.release)
    tail.write_change(drafts_of_statement(statement, key=key, override=override))


def drafts_of_statement(
    statement: Statement, *, key: str, override: Override | None
) -> list[EntryDraft]:
    """Return all entries that a statement leads to."""
    change = statement.as_change().model_copy(
        update={"evidence": {**statement.evidence, "change": statement.id}}
    )
    return drafts_of_change(change, key=key, override=override)


def _write_unseen(statement: Statement, sighting: Sighting, tail: Tail, storage: Storage) -> None:
    """Write the release that the statement replaced, if the ledger does not know of it.

    It was moved from outside, and moved again, while the registrar was away.
    """
    release, end = statement.from_release, tail.last_move()
    if not release or (end is not None and end.to_release == release):
        return
    change = _change_from_outside(
        tail,
        slot=other_than(statement.slot),
        release=release,
        by=UNKNOWN_WRITER,
        reason="came from outside of titlebout: it was live before the next change; "
        "since when is unknown",
        time=statement.time,
    )
    key = f"{_service_uid(sighting)}/unseen/{statement.id}"
    tail.write_change(drafts_of_change(change, key=key, override=_override_of(storage, release)))


def _write_settlement(settlement: Settlement, tail: Tail) -> None:
    if about := tail.newest_about([settlement.id]):
        tail.write_change([draft_of_settlement(settlement, about)])


def draft_of_settlement(settlement: Settlement, about: StoredEntry) -> EntryDraft:
    """Return the entry about a bake that went well; `about` is the entry of the switch."""
    return draft_of_settling(
        about, by=settlement.by, reason=settlement.reason, time=settlement.time
    )


def _write_outside_change(sighting: Sighting, tail: Tail, storage: Storage) -> None:
    """Write a kubectl patch of the Service, or a helm rollback of the live slot's chart release."""
    end = tail.last_move()
    if end is not None and end.to_release == sighting.release:
        return
    by_slot = end is None or end.evidence.get("slot") != sighting.slot
    last_write = sighting.slot_write if by_slot else sighting.release_write
    where = (
        "the Service was moved" if by_slot else f"slot {sighting.slot} was given another release"
    )
    change = _change_from_outside(
        tail,
        slot=sighting.slot,
        release=sighting.release,
        by=last_write.by,
        reason=f"came from outside of titlebout: {where}",
        time=last_write.time,
    )
    key = sighting.service if by_slot else sighting.deployment
    override = _override_of(storage, sighting.release)
    tail.write_change(drafts_of_change(change, key=key, override=override))


def _change_from_outside(
    tail: Tail, *, slot: SlotName, release: str, by: str, reason: str, time: str
) -> Change:
    """Return a change without a statement. It is a rollback if the release was live before.

    The API server notes whole seconds, and a chain never goes back in time: the change is at
    least as late as the last move.
    """
    end = tail.last_move()
    was_live = tail.last_move(to_release=release) is not None
    return Change(
        number=0,
        slot=slot,
        release=release,
        from_release=end.to_release if end else None,
        kind="rolled_back" if was_live else "switched",
        by=by,
        reason=reason,
        time=end.time if end and moment_of(time) < end.moment else time,
        evidence={},
    )


def _service_uid(sighting: Sighting) -> str:
    return sighting.service.split("/")[0]


def entry_about(chain: list[StoredEntry], change: str) -> StoredEntry | None:
    """Return the move of this chain that is about the change with this id, or None."""
    return next(
        (
            entry
            for entry in chain
            if entry.kind in MOVES and entry.evidence.get("change") == change
        ),
        None,
    )


def _override_of(storage: Storage, release: str) -> Override | None:
    """Return the release's override, or None. It is None too if the record is gone.

    `verify` names a record that is gone. What is live is written down all the same.
    """
    if not storage.exists(*layout.release(release)):
        return None
    return storage.read_record(Release, *layout.release(release), digest=release).override
