"""Find what is wrong with a chain and with the records that it names."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from titlebout.ledger.anchor import anchor_fault, read_anchor
from titlebout.ledger.chain import broken_link, misplaced
from titlebout.spec import Record, Release, TitleboutError, Verdict
from titlebout.storage import Storage, layout

if TYPE_CHECKING:
    from titlebout.ledger.database import StoredEntry

R = TypeVar("R", bound=Record)


def chain_faults(model: str, chain: "list[StoredEntry]", storage: Storage) -> Iterator[str]:
    """Recompute the chain from its first entry: name its first broken link, or what is misplaced.

    After a broken link every entry would be named, which says nothing more.
    """
    if broken := broken_link(chain) or anchor_fault(read_anchor(storage, model), chain):
        yield broken
    else:
        yield from misplaced(chain)


def record_faults(chain: "list[StoredEntry]", storage: Storage) -> Iterator[str]:
    """Name what is wrong with the releases of the chain, their verdicts and their overrides."""
    for stored in chain:
        if stored.kind == "overridden":
            yield from _override_faults(stored, storage)
    named = {release for stored in chain for release in (stored.from_release, stored.to_release)}
    for release in sorted(str(release) for release in named if release):
        record, fault = read_record_or_fault(storage, Release, layout.RELEASES, release)
        if fault:
            yield fault
        if record and record.verdict:
            _, fault = read_record_or_fault(storage, Verdict, layout.VERDICTS, record.verdict)
            if fault:
                yield fault


def _override_faults(stored: "StoredEntry", storage: Storage) -> Iterator[str]:
    """Compare an entry `overridden` with the release's own record, which has the override."""
    record, _ = read_record_or_fault(storage, Release, layout.RELEASES, stored.to_release)
    override = record.override if record else None
    if record and (
        override is None or (override.by, override.reason) != (stored.by, stored.reason)
    ):
        yield (
            f"entry {stored.sequence} overrides a verdict, "
            f"but the record of release {stored.to_release[:12]} has another override, or none"
        )


def read_record_or_fault(
    storage: Storage, kind: type[R], folder: str, digest: str
) -> tuple[R | None, str | None]:
    """Return the record with this digest, or else what is wrong with it."""
    try:
        return storage.read_record(kind, folder, f"{digest}.json", digest=digest), None
    except FileNotFoundError:
        return None, f"{folder}/{digest}.json is missing"
    except (TitleboutError, ValidationError):
        return None, f"{folder}/{digest}.json was altered"
