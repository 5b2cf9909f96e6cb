"""What a ledger has to say about a change of the traffic: the one form for both writers, and for whoever checks what they wrote."""

from typing import TYPE_CHECKING, Any, NamedTuple

from titlebout.ledger.chain import OVERRIDDEN, SETTLED
from titlebout.rollout import Change
from titlebout.spec import CLOCK, EntryKind, Override

if TYPE_CHECKING:
    from titlebout.ledger.database import Ledger, StoredEntry


class EntryDraft(NamedTuple):
    """An entry as it is to be written; the ledger adds its place in the chain."""

    key: str
    time: str
    kind: EntryKind
    from_release: str | None
    to_release: str
    by: str
    reason: str
    evidence: dict[str, Any]

    def write(self, ledger: "Ledger", model: str) -> None:
        """Append it, once."""
        ledger.append(model, **self._asdict())

    def is_in(self, stored: "StoredEntry") -> bool:
        """Whether the entry says this, whatever the clock made of its time."""
        if not isinstance(stored.evidence, dict):
            return False  # altered: whoever recomputes the chain says so
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
    """A switch against the verdict has an entry of its own before it."""
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
    word = move._replace(
        key=f"{key}{OVERRIDDEN}",
        kind="overridden",
        by=override.by,
        reason=override.reason,
        evidence={"overrides": override.overrides},
    )
    return [word, move]


def draft_of_settling(
    switch: "EntryDraft | StoredEntry", *, by: str, reason: str, time: str
) -> EntryDraft:
    """`switch` is what the ledger says of the switch that is settled."""
    return EntryDraft(
        f"{switch.key}{SETTLED}",
        time,
        "settled",
        switch.from_release,
        switch.to_release,
        by,
        reason,
        {},
    )
