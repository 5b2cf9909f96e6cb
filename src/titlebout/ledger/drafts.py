"""Draft the entries about a change of the traffic, for both writers and for `verify`."""

from typing import TYPE_CHECKING, Any, NamedTuple

from titlebout.ledger.chain import OVERRIDDEN, SETTLED
from titlebout.rollout import Change
from titlebout.spec import CLOCK, EntryKind, Override

if TYPE_CHECKING:
    from titlebout.ledger.database import StoredEntry


class EntryDraft(NamedTuple):
    """Hold an entry as it is to be written; the ledger adds its place in the chain."""

    key: str
    time: str
    kind: EntryKind
    from_release: str | None
    to_release: str
    by: str
    reason: str
    evidence: dict[str, Any]

    def is_in(self, stored: "StoredEntry") -> bool:
        """Tell whether the entry says this, whatever the clock made of its time."""
        if not isinstance(stored.evidence, dict):
            return False  # altered: `verify` says so when it recomputes the chain
        evidence = {name: value for name, value in stored.evidence.items() if name != CLOCK}
        found = (
            stored.key,
            stored.said,
            stored.kind,
            stored.from_release,
            stored.to_release,
            stored.by,
            stored.reason,
            evidence,
        )
        return found == tuple(self)


def drafts_of_change(change: Change, *, key: str, override: Override | None) -> list[EntryDraft]:
    """Return the entries about a change, in order: before its move, an override of the verdict."""
    move = EntryDraft(
        key=key,
        time=change.time,
        kind=change.kind,
        from_release=change.from_release,
        to_release=change.release,
        by=change.by,
        reason=change.reason,
        evidence={"slot": change.slot, **change.evidence},
    )
    if override is None or change.kind != "switched":
        return [move]
    overridden = move._replace(
        key=f"{key}{OVERRIDDEN}",
        kind="overridden",
        by=override.by,
        reason=override.reason,
        evidence={"overrides": override.overrides},
    )
    return [overridden, move]


def draft_of_settling(
    switch: "EntryDraft | StoredEntry", *, by: str, reason: str, time: str
) -> EntryDraft:
    """Return the entry that a switch is settled; `switch` is what the ledger says of it."""
    return EntryDraft(
        key=f"{switch.key}{SETTLED}",
        time=time,
        kind="settled",
        from_release=switch.from_release,
        to_release=switch.to_release,
        by=by,
        reason=reason,
        evidence={},
    )
