"""Read the end of a model's chain once, verify it from the noted anchor on, and write after it.

What a switch or a sighting costs does not grow with the chain. Entries before the tail were
verified when the anchor was noted; `titlebout verify` recomputes all of them.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from titlebout.ledger.anchor import Anchor, anchor_fault, read_anchor, write_anchor
from titlebout.ledger.chain import BACKUP, MOVES, holds, require_whole
from titlebout.ledger.drafts import EntryDraft
from titlebout.spec import FIRST_PREVIOUS_HASH, IntegrityError
from titlebout.storage import Storage

if TYPE_CHECKING:
    from titlebout.ledger.database import Ledger, StoredEntry

# How many entries before the anchor are verified again. New entries are about these: the live
# Service keeps five statements, and each has three entries at most.
ENTRIES_BEFORE_ANCHOR = 16


class Tail:
    """Hold the newest entries of a chain, and find older ones in the database by what they say.

    Only `read_tail` makes one. Every entry that comes from here has its own hash.
    """

    def __init__(
        self, storage: Storage, ledger: "Ledger", model: str, *, anchor: Anchor | None, after: int
    ) -> None:
        self._storage, self._ledger, self._model, self._anchor = storage, ledger, model, anchor
        self._after = after  # the sequence of the entry before the tail's first
        self._entries: list[StoredEntry] = []

    def read_on(self) -> None:
        """Add what was written since; raise IntegrityError if it does not follow what is here."""
        last = self._entries[-1] if self._entries else None
        end = self._after + len(self._entries)
        before = None if end else FIRST_PREVIOUS_HASH
        added = self._ledger.chain(self._model, after=end)
        require_whole(self._model, added, after=end, previous=last.hash if last else before)
        self._entries += added

    def require_anchor(self) -> None:
        """Raise IntegrityError if the chain does not go on from the noted end."""
        if self._anchor is None:
            return
        if fault := anchor_fault(self._anchor, self._entries, after=self._after):
            raise IntegrityError(
                f"ledger of {self._model}",
                expected="the chain to go on from its noted end",
                found=fault,
                next_step="titlebout verify, and a backup",
            )

    def note_end(self) -> None:
        """Note the chain's end, if it is not the one that is noted."""
        if self._end() == self._anchor:
            return
        self.read_on()  # another writer may have noted a later end, which must not go back
        if end := self._end():
            write_anchor(self._storage, self._model, end)
            self._anchor = end

    def find(self, keys: Collection[str]) -> "dict[str, StoredEntry]":
        """Return the entries that have these keys, by key."""
        found = {stored.key: stored for stored in self._entries if stored.key in keys}
        if self._after and (older := set(keys) - found.keys()):
            for stored in self._ledger.with_keys(self._model, older):
                found[stored.key] = self._require_hash(stored)
        return found

    def last_move(self, *, to_release: str | None = None) -> "StoredEntry | None":
        """Return the newest entry by which a release, or this one, came to be live; or None."""
        for stored in reversed(self._entries):
            if stored.kind in MOVES and to_release in (None, stored.to_release):
                return stored
        if not self._after:
            return None
        older = self._ledger.newest(self._model, kinds=MOVES, to_release=to_release)
        return self._require_hash(older) if older else None

    def newest_about(self, changes: Collection[str]) -> "StoredEntry | None":
        """Return the newest move that is about one of these changes, each by its id; or None."""
        for stored in reversed(self._entries):
            if stored.kind in MOVES and stored.evidence.get("change") in changes:
                return stored
        if not self._after:
            return None
        older = self._ledger.newest_about(self._model, changes, kinds=MOVES)
        return self._require_hash(older) if older else None

    def write_change(self, drafts: Sequence[EntryDraft]) -> None:
        """Append all entries about a change that the ledger lacks, in this order."""
        written = self.find({draft.key for draft in drafts})
        lacking = [draft for draft in drafts if draft.key not in written]
        for draft in lacking:
            self._ledger.append(self._model, **draft._asdict())
        if lacking:
            self.read_on()

    def _end(self) -> Anchor | None:
        last = self._entries[-1] if self._entries else None
        return Anchor(sequence=last.sequence, hash=last.hash) if last else None

    def _require_hash(self, stored: "StoredEntry") -> "StoredEntry":
        """Return the entry; raise IntegrityError if its content does not have its hash."""
        if not holds(stored):
            raise IntegrityError(
                f"ledger of {self._model}",
                expected="a chain that holds",
                found=f"entry {stored.sequence} was altered: its content does not have its hash",
                next_step=BACKUP,
            )
        return stored


def read_tail(storage: Storage, ledger: "Ledger", model: str) -> Tail:
    """Return the verified tail of the model's chain; without an anchor, the whole chain.

    Raises IntegrityError if an entry of it was altered, removed or put in between. Raises it, too,
    if the chain does not go on from its anchor. Nothing may be written after such a chain.
    """
    anchor = read_anchor(storage, model)  # before the chain: another writer may be at both
    after = max(0, anchor.sequence - ENTRIES_BEFORE_ANCHOR) if anchor else 0
    tail = Tail(storage, ledger, model, anchor=anchor, after=after)
    tail.read_on()
    tail.require_anchor()
    return tail
