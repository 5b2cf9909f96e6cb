"""Does a chain hold by itself: every entry unaltered and in its place, every move of the traffic going on from the one before."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from titlebout.spec import FIRST_PREVIOUS_HASH, IntegrityError

if TYPE_CHECKING:
    from titlebout.release.ledger import StoredEntry

MOVES = ("switched", "rolled_back")  # the kinds of entry by which a release is live


def require_whole(model: str, chain: "list[StoredEntry]") -> None:
    """Raises IntegrityError naming the first entry that is not as it was written."""
    if broken := broken_link(chain):
        raise IntegrityError(
            f"ledger of {model}", expected="a chain that holds", found=broken, next_step="titlebout verify, and a backup of the ledger"
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


def gaps(chain: "list[StoredEntry]") -> Iterator[str]:
    """Releases that were live by no entry. A move from nothing is none: whoever deletes the live Service begins anew."""
    live = None
    for stored in chain:
        if stored.kind not in MOVES:
            continue
        if stored.from_release is not None and stored.from_release != live:
            yield _gap(stored, live=live)
        live = stored.to_release


def _gap(stored: "StoredEntry", *, live: str | None) -> str:
    found, known = stored.from_release or "", f"release {live[:12]}" if live else "nothing"
    return (
        f"a change is missing before entry {stored.sequence}: that entry took the traffic from release {found[:12]}, and by the entries "
        f"before it {known} was live; when {found[:12]} came to be live, and by whom, is in no entry"
    )


def _holds(stored: "StoredEntry") -> bool:
    try:
        return stored.entry.digest == stored.hash
    except (IntegrityError, ValueError, RecursionError):  # a field holds what no ledger ever wrote, or what has no canonical JSON
        return False
