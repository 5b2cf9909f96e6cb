"""Find what is wrong with a chain and with the records that it names."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from titlebout.ledger.chain import broken_link, misplaced
from titlebout.spec import Record, Release, TitleboutError, Verdict
from titlebout.storage import Storage, layout

if TYPE_CHECKING:
    from titlebout.ledger.database import StoredEntry

R = TypeVar("R", bound=Record)


def chain_faults(model: str, chain: "list[StoredEntry]", storage: Storage) -> Iterator[str]:
    """Name the first broken link: all after it would be reported as wrong, and says nothing more. In a whole chain, what is misplaced."""
    from titlebout.ledger.anchor import anchor_fault

    if broken := broken_link(chain) or anchor_fault(storage, model, chain):
        yield broken
    else:
        yield from misplaced(chain)


def record_faults(chain: "list[StoredEntry]", storage: Storage) -> Iterator[str]:
    """Every release that is named must be stored whole, and so must its verdict; a person's word must be the one in the release."""
    yield from (
        fault
        for stored in chain
        if stored.kind == "overridden"
        for fault in _word_faults(stored, storage)
    )
    for release in sorted(
        {
            str(release)
            for stored in chain
            for release in (stored.from_release, stored.to_release)
            if release
        }
    ):
        record, fault = read_record_or_fault(storage, Release, layout.RELEASES, release)
        if fault:
            yield fault
        if record and record.verdict:
            _, fault = read_record_or_fault(storage, Verdict, layout.VERDICTS, record.verdict)
            if fault:
                yield fault


def _word_faults(stored: "StoredEntry", storage: Storage) -> Iterator[str]:
    record, _ = read_record_or_fault(storage, Release, layout.RELEASES, stored.to_release)
    word = record.override if record else None
    if record and (word is None or (word.by, word.reason) != (stored.by, stored.reason)):
        yield f"entry {stored.sequence} overrides a verdict, but release {stored.to_release[:12]} was made on another ground"


def read_record_or_fault(
    storage: Storage, kind: type[R], folder: str, digest: str
) -> tuple[R | None, str | None]:
    try:
        return storage.read_record(kind, folder, f"{digest}.json", digest=digest), None
    except FileNotFoundError:
        return None, f"{folder}/{digest}.json is missing"
    except (TitleboutError, ValidationError):
        return None, f"{folder}/{digest}.json was altered"
