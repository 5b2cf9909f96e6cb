"""Check that a chain holds by itself: every entry is unaltered and in its place, and follows only what it may follow."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from titlebout.spec import FIRST_PREVIOUS_HASH, IntegrityError

if TYPE_CHECKING:
    from titlebout.ledger.database import StoredEntry

MOVES = ("switched", "rolled_back")  # the kinds of entry by which a release is live
SETTLED, OVERRIDDEN = (
    "/settled",
    "/overridden",
)  # end the key of an entry about the change that has the rest of it for a key


def require_whole(model: str, chain: "list[StoredEntry]") -> None:
    """Raises IntegrityError naming the first entry that is not as it was written."""
    if broken := broken_link(chain):
        raise IntegrityError(
            f"ledger of {model}",
            expected="a chain that holds",
            found=broken,
            next_step="titlebout verify, and a backup of the ledger",
        )


def broken_link(chain: "list[StoredEntry]") -> str | None:
    """The first entry that is altered, missing, out of order or put in between."""
    previous = FIRST_PREVIOUS_HASH
    for sequence, stored in enumerate(chain, start=1):
        if stored.sequence != sequence:
            return f"entry {sequence} is missing: entry {stored.sequence} comes in its place"
        if not _holds(stored):
            return f"entry {sequence} was altered: its content does not have its hash"
        if stored.previous_hash != previous:
            return f"entry {sequence} does not follow the one before: entries were removed, put in between or put in another order"
        previous = stored.hash
    return None


def misplaced(chain: "list[StoredEntry]") -> Iterator[str]:
    """Name every entry that may not stand where it stands, in a chain whose hashes hold."""
    for index, stored in enumerate(chain):
        before, after = chain[:index], chain[index + 1 : index + 2]
        if stored.kind in MOVES:
            yield from _move_faults(stored, before)
        elif stored.kind == "settled":
            yield from _settled_faults(stored, before)
        else:
            yield from _overridden_faults(stored, after)
        if before and stored.moment < before[-1].moment:
            yield f"entry {stored.sequence} is older than the one before it: no ledger writes so"


def _move_faults(stored: "StoredEntry", before: "list[StoredEntry]") -> Iterator[str]:
    """A move from nothing is no fault: whoever deletes the live Service begins anew."""
    moves = [entry for entry in before if entry.kind in MOVES]
    live = moves[-1].to_release if moves else None
    if stored.from_release is not None and stored.from_release != live:
        yield _gap(stored, live=live)
    if stored.kind == "rolled_back" and not any(
        stored.to_release in (entry.from_release, entry.to_release) for entry in moves
    ):
        yield f"entry {stored.sequence} gives the traffic back to release {stored.to_release[:12]}, which never had it"


def _settled_faults(stored: "StoredEntry", before: "list[StoredEntry]") -> Iterator[str]:
    """A release is settled once, while it is live, and by the key of its own switch."""
    moves = [entry for entry in before if entry.kind in MOVES]
    about = next((entry for entry in moves if f"{entry.key}{SETTLED}" == stored.key), None)
    if about is None or about.kind != "switched" or _way(about) != _way(stored):
        yield f"entry {stored.sequence} settles a switch to release {stored.to_release[:12]} that no entry before it tells of"
    elif moves[-1].to_release != stored.to_release:
        yield f"entry {stored.sequence} settles release {stored.to_release[:12]} while {moves[-1].to_release[:12]} was live"


def _overridden_faults(stored: "StoredEntry", after: "list[StoredEntry]") -> Iterator[str]:
    """A person's word stands right before the switch that was made on it."""
    following = after[0] if after else None
    if (
        following is None
        or (following.kind, f"{following.key}{OVERRIDDEN}") != ("switched", stored.key)
        or _way(following) != _way(stored)
    ):
        yield f"entry {stored.sequence} overrides a verdict, and the entry after it is not the switch to release {stored.to_release[:12]}"


def _way(stored: "StoredEntry") -> tuple[str | None, str]:
    return stored.from_release, stored.to_release


def _gap(stored: "StoredEntry", *, live: str | None) -> str:
    found, known = stored.from_release or "", f"release {live[:12]}" if live else "nothing"
    return (
        f"a change is missing before entry {stored.sequence}: that entry took the traffic from release {found[:12]}, and by the entries "
        f"before it {known} was live; when {found[:12]} came to be live, and by whom, is in no entry"
    )


def _holds(stored: "StoredEntry") -> bool:
    try:
        return stored.entry.digest == stored.hash
    except (
        IntegrityError,
        ValueError,
        RecursionError,
    ):  # a field holds what no ledger ever wrote, or what has no canonical JSON
        return False
