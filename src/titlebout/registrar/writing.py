"""From a sighting to the ledger: what was told, what was settled, and what came from outside, in this order."""

from titlebout.registrar.sighting import Sighting
from titlebout.release.follow import write_change
from titlebout.release.head import move_head
from titlebout.release.ledger import Ledger, StoredEntry
from titlebout.rollout import Change
from titlebout.rollout.kubernetes.statement import Statement
from titlebout.spec import LedgerEntry, Override, Release
from titlebout.storage import Storage

MOVES = ("switched", "rolled_back")


def write(sighting: Sighting, ledger: Ledger, storage: Storage) -> None:
    """Append what the ledger does not have yet; nothing if it has all. Raises IntegrityError if the chain was cut short or rewritten."""
    move_head(storage, ledger, sighting.model)
    _write_told(sighting, ledger, storage)
    _write_settled(sighting, ledger)
    _write_outside(sighting, ledger, storage)
    move_head(storage, ledger, sighting.model)


def last_move(entries: list[StoredEntry]) -> StoredEntry | None:
    """The entry by which the ledger says that a release is live."""
    return next((entry for entry in reversed(entries) if entry.kind in MOVES), None)


def change_of(entry: LedgerEntry | StoredEntry) -> Change:
    """A move of the traffic, as the ledger tells it."""
    told = {name: getattr(entry, name) for name in ("from_release", "kind", "by", "reason", "time", "evidence")}
    return Change(number=entry.sequence, slot=entry.evidence["slot"], release=entry.to_release, **told)


def _write_told(sighting: Sighting, ledger: Ledger, storage: Storage) -> None:
    """What a releaser said, once. Said, but not live any more: it was true for a while if it goes on from the ledger's end."""
    told, chain = sighting.told, ledger.chain(sighting.model)
    if told is None or _entry_about(chain, told.id):
        return
    end = last_move(chain)
    if sighting.is_as_told:
        key = sighting.service
    elif told.from_release == (end.to_release if end else None):
        key = f"{sighting.service}/before"
    else:
        return
    _append(told, key, ledger, storage, model=sighting.model)


def _append(told: Statement, key: str, ledger: Ledger, storage: Storage, *, model: str) -> None:
    change = told.as_change().model_copy(update={"evidence": {**told.evidence, "change": told.id}})
    write_change(ledger, model, change, key=key, override=_override(storage, told.release))


def _write_settled(sighting: Sighting, ledger: Ledger) -> None:
    settled = sighting.settled
    about = _entry_about(ledger.chain(sighting.model), settled.id) if settled else None
    if settled is None or about is None:
        return
    ledger.append(
        sighting.model,
        key=f"{about.key}/settled",
        time=settled.time,
        kind="settled",
        from_release=about.from_release,
        to_release=about.to_release,
        by=settled.by,
        reason=settled.reason,
        evidence={},
    )


def _write_outside(sighting: Sighting, ledger: Ledger, storage: Storage) -> None:
    """A kubectl patch of the Service, or a helm rollback of the live slot's chart release."""
    chain = ledger.chain(sighting.model)
    end = last_move(chain)
    if end is not None and end.to_release == sighting.release:
        return
    by_slot = end is None or end.evidence.get("slot") != sighting.slot
    mover = sighting.moved_slot if by_slot else sighting.moved_release
    was_live = any(entry.to_release == sighting.release for entry in chain if entry.kind in MOVES)
    where = "the Service was moved" if by_slot else f"slot {sighting.slot} was given another release"
    change = Change(
        number=0,
        slot=sighting.slot,
        release=sighting.release,
        from_release=end.to_release if end else None,
        kind="rolled_back" if was_live else "switched",
        by=mover.by,
        reason=f"came from outside of titlebout: {where}",
        time=max(mover.time, end.time) if end else mover.time,  # the API server notes whole seconds, and a chain never goes back in time
        evidence={},
    )
    key = sighting.service if by_slot else sighting.deployment
    write_change(ledger, sighting.model, change, key=key, override=_override(storage, sighting.release))


def _entry_about(chain: list[StoredEntry], change: str) -> StoredEntry | None:
    return next((entry for entry in chain if entry.kind in MOVES and entry.evidence.get("change") == change), None)


def _override(storage: Storage, release: str) -> Override | None:
    """None also where the record is gone: what is live is written down all the same, and `verify` names the missing record."""
    if not storage.exists("releases", f"{release}.json"):
        return None
    return storage.read_record(Release, "releases", f"{release}.json", digest=release).override
