"""From a sighting to the ledger: what was told, what was settled, and what came from outside, in this order."""

from titlebout.ledger import MOVES, EntryDraft, draft_of_settling, drafts_of_change, move_anchor
from titlebout.ledger.database import Ledger, StoredEntry
from titlebout.registrar.sighting import NOBODY, Sighting
from titlebout.rollout import Change
from titlebout.rollout.kubernetes import Settlement, Statement
from titlebout.spec import LedgerEntry, Override, Release, SlotName, moment_of, other_than
from titlebout.storage import Storage, layout


def write(sighting: Sighting, ledger: Ledger, storage: Storage) -> None:
    """Append what the ledger does not have yet; nothing if it has all. Raises IntegrityError if the chain was altered or cut short."""
    move_anchor(storage, ledger, sighting.model)
    _write_settled(sighting, ledger)
    for statement in _unwritten(sighting, ledger.chain(sighting.model)):
        _write_unseen(statement, sighting, ledger, storage)
        _write_told(statement, sighting, ledger, storage)
        _write_settled(sighting, ledger)
    _write_outside(sighting, ledger, storage)
    move_anchor(storage, ledger, sighting.model)


def last_move(entries: list[StoredEntry]) -> StoredEntry | None:
    """The entry by which the ledger says that a release is live."""
    return next((entry for entry in reversed(entries) if entry.kind in MOVES), None)


def change_of(entry: LedgerEntry | StoredEntry) -> Change:
    """A move of the traffic, as the ledger tells it."""
    told = {
        name: getattr(entry, name)
        for name in ("from_release", "kind", "by", "reason", "time", "evidence")
    }
    return Change(
        number=entry.sequence, slot=entry.evidence["slot"], release=entry.to_release, **told
    )


def _unwritten(sighting: Sighting, chain: list[StoredEntry]) -> list[Statement]:
    """What releasers said and the ledger does not have, oldest first. A ledger goes forward only: what comes before an entry stays out."""
    told = [*sighting.earlier.statements, *([sighting.told] if sighting.told else [])]
    written = [
        number for number, statement in enumerate(told, start=1) if entry_about(chain, statement.id)
    ]
    return told[max(written, default=0) :]


def _write_told(statement: Statement, sighting: Sighting, ledger: Ledger, storage: Storage) -> None:
    """A releaser's own words. What is live by them has the Service's version for a key; what was live for a while has its id."""
    is_live = sighting.is_as_told and statement == sighting.told
    key = sighting.service if is_live else f"{_uid(sighting)}/before/{statement.id}"
    for told in drafts_of_statement(
        statement, key=key, override=_override(storage, statement.release)
    ):
        told.write(ledger, sighting.model)


def drafts_of_statement(
    statement: Statement, *, key: str, override: Override | None
) -> list[EntryDraft]:
    """Return all that the ledger has to say about a releaser's own words."""
    change = statement.as_change().model_copy(
        update={"evidence": {**statement.evidence, "change": statement.id}}
    )
    return drafts_of_change(change, key=key, override=override)


def _write_unseen(
    statement: Statement, sighting: Sighting, ledger: Ledger, storage: Storage
) -> None:
    """What the statement found live, should the ledger not know of it: moved from outside, and moved on, while nobody watched."""
    chain, release = ledger.chain(sighting.model), statement.from_release
    end = last_move(chain)
    if not release or (end is not None and end.to_release == release):
        return
    change = _outside(
        chain,
        slot=other_than(statement.slot),
        release=release,
        by=NOBODY,
        reason="came from outside of titlebout: it was live before the next change; since when, nobody saw",
        time=statement.time,
    )
    key = f"{_uid(sighting)}/unseen/{statement.id}"
    for told in drafts_of_change(change, key=key, override=_override(storage, release)):
        told.write(ledger, sighting.model)


def _write_settled(sighting: Sighting, ledger: Ledger) -> None:
    settled = sighting.settled
    about = entry_about(ledger.chain(sighting.model), settled.id) if settled else None
    if settled is not None and about is not None:
        draft_of_settlement(settled, about).write(ledger, sighting.model)


def draft_of_settlement(settled: Settlement, about: StoredEntry) -> EntryDraft:
    """Return what the ledger has to say of a bake that went well; `about` is the entry of the switch."""
    return draft_of_settling(about, by=settled.by, reason=settled.reason, time=settled.time)


def _write_outside(sighting: Sighting, ledger: Ledger, storage: Storage) -> None:
    """A kubectl patch of the Service, or a helm rollback of the live slot's chart release."""
    chain = ledger.chain(sighting.model)
    end = last_move(chain)
    if end is not None and end.to_release == sighting.release:
        return
    by_slot = end is None or end.evidence.get("slot") != sighting.slot
    mover = sighting.moved_slot if by_slot else sighting.moved_release
    where = (
        "the Service was moved" if by_slot else f"slot {sighting.slot} was given another release"
    )
    reason = f"came from outside of titlebout: {where}"
    change = _outside(
        chain,
        slot=sighting.slot,
        release=sighting.release,
        by=mover.by,
        reason=reason,
        time=mover.time,
    )
    key = sighting.service if by_slot else sighting.deployment
    for told in drafts_of_change(change, key=key, override=_override(storage, sighting.release)):
        told.write(ledger, sighting.model)


def _outside(
    chain: list[StoredEntry], *, slot: SlotName, release: str, by: str, reason: str, time: str
) -> Change:
    """A rollback if the release was live before. The API server notes whole seconds, and a chain never goes back in time."""
    end = last_move(chain)
    was_live = any(entry.to_release == release for entry in chain if entry.kind in MOVES)
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


def _uid(sighting: Sighting) -> str:
    return sighting.service.split("/")[0]


def entry_about(chain: list[StoredEntry], change: str) -> StoredEntry | None:
    return next(
        (
            entry
            for entry in chain
            if entry.kind in MOVES and entry.evidence.get("change") == change
        ),
        None,
    )


def _override(storage: Storage, release: str) -> Override | None:
    """None also where the record is gone: what is live is written down all the same, and `verify` names the missing record."""
    if not storage.exists(*layout.release(release)):
        return None
    return storage.read_record(Release, *layout.release(release), digest=release).override
