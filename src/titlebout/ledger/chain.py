"""Check that a chain holds: no entry is altered, each is in its place and may stand there."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING

from titlebout.spec import FIRST_PREVIOUS_HASH, EntryKind, IntegrityError

if TYPE_CHECKING:
    from titlebout.ledger.database import StoredEntry

# The kinds of entry by which a release is live.
MOVES: tuple[EntryKind, ...] = ("switched", "rolled_back")
# The key of an entry about a change is the change's own key with one of these at its end.
SETTLED, OVERRIDDEN = "/settled", "/overridden"
BACKUP = "titlebout verify, and a backup of the ledger"


def require_whole(
    model: str,
    chain: "list[StoredEntry]",
    *,
    after: int = 0,
    previous: str | None = FIRST_PREVIOUS_HASH,
) -> None:
    """Raise IntegrityError naming the first entry that is not as it was written.

    The arguments are those of `broken_link`.
    """
    if broken := broken_link(chain, after=after, previous=previous):
        raise IntegrityError(
            f"ledger of {model}",
            expected="a chain that holds",
            found=broken,
            next_step=BACKUP,
        )


def broken_link(
    chain: "list[StoredEntry]", *, after: int = 0, previous: str | None = FIRST_PREVIOUS_HASH
) -> str | None:
    """Return what is wrong with the first entry that is altered, missing or out of order.

    Args:
        chain: the whole chain, or all of it after entry `after`.
        after: the sequence of the entry before the first one of `chain`; 0 for a whole chain.
        previous: the hash of that entry; None if it is not known, and is not compared then.

    """
    for sequence, stored in enumerate(chain, start=after + 1):
        if stored.sequence != sequence:
            return f"entry {sequence} is missing: entry {stored.sequence} comes in its place"
        if not holds(stored):
            return f"entry {sequence} was altered: its content does not have its hash"
        if previous is not None and stored.previous_hash != previous:
            return (
                f"entry {sequence} does not follow the one before: "
                "entries were removed, put in between or put in another order"
            )
        previous = stored.hash
    return None


def holds(stored: "StoredEntry") -> bool:
    """Tell whether the entry's content has the hash that is stored beside it."""
    try:
        return stored.entry.digest == stored.hash
    except (IntegrityError, ValueError, RecursionError):
        return False  # a field holds what no ledger ever wrote, or what has no canonical JSON


def misplaced(chain: "list[StoredEntry]") -> Iterator[str]:
    """Name every entry that may not stand where it stands, in a chain whose hashes hold.

    A switch does not ask for this. A writer that was killed may leave `overridden` without its
    switch, and the next command writes the switch.
    """
    before, traffic = None, _TrafficSoFar()
    for stored, following in zip_longest(chain, chain[1:]):
        if stored.kind in MOVES:
            yield from traffic.move_faults(stored)
            traffic.add(stored)
        elif stored.kind == "settled":
            yield from traffic.settled_faults(stored)
        else:
            yield from _overridden_faults(stored, following)
        if before and stored.moment < before.moment:
            yield f"entry {stored.sequence} is older than the one before it: no ledger writes so"
        before = stored


class _TrafficSoFar:
    """Keep what the entries up to one place in the chain say about the traffic."""

    def __init__(self) -> None:
        self.live: str | None = None
        self.ever_live: set[str | None] = set()
        self.moves: dict[str, StoredEntry] = {}  # by the key that an entry to settle it has

    def add(self, move: "StoredEntry") -> None:
        """Go on past a move."""
        self.live = move.to_release
        self.ever_live |= {move.from_release, move.to_release}
        self.moves.setdefault(f"{move.key}{SETTLED}", move)

    def move_faults(self, stored: "StoredEntry") -> Iterator[str]:
        """Accept a move from nothing: whoever deletes the live Service begins anew."""
        if stored.from_release is not None and stored.from_release != self.live:
            yield _gap(stored, live=self.live)
        if stored.kind == "rolled_back" and stored.to_release not in self.ever_live:
            yield (
                f"entry {stored.sequence} gives the traffic back to release "
                f"{stored.to_release[:12]}, which never had it"
            )

    def settled_faults(self, stored: "StoredEntry") -> Iterator[str]:
        """Accept a settlement while its release is live, by the key of the release's switch."""
        about = self.moves.get(stored.key)
        release = stored.to_release[:12]
        if about is None or about.kind != "switched" or _releases(about) != _releases(stored):
            yield (
                f"entry {stored.sequence} settles a switch to release {release} "
                "that no entry before it tells of"
            )
        elif self.live is not None and self.live != stored.to_release:
            yield (
                f"entry {stored.sequence} settles release {release} while {self.live[:12]} was live"
            )


def _overridden_faults(stored: "StoredEntry", following: "StoredEntry | None") -> Iterator[str]:
    """Accept an override right before the switch that was made on it."""
    if (
        following is None
        or (following.kind, f"{following.key}{OVERRIDDEN}") != ("switched", stored.key)
        or _releases(following) != _releases(stored)
    ):
        yield (
            f"entry {stored.sequence} overrides a verdict, and the entry after it "
            f"is not the switch to release {stored.to_release[:12]}"
        )


def _releases(stored: "StoredEntry") -> tuple[str | None, str]:
    """Return the releases from which and to which the traffic moved."""
    return stored.from_release, stored.to_release


def _gap(stored: "StoredEntry", *, live: str | None) -> str:
    found, known = stored.from_release or "", f"release {live[:12]}" if live else "nothing"
    return (
        f"a change is missing before entry {stored.sequence}: that entry took the traffic from "
        f"release {found[:12]}, and by the entries before it {known} was live; "
        f"when {found[:12]} came to be live, and by whom, is in no entry"
    )
