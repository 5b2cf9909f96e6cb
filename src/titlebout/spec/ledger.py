"""One entry of the append-only, hash-chained history of releases and rollbacks, per model and environment."""

from typing import Any, Literal

from titlebout.spec.record import Record

FIRST_PREVIOUS_HASH = "0" * 64
EntryKind = Literal["switched", "settled", "rolled_back", "overridden"]


class LedgerEntry(Record):
    """`key` makes writing idempotent (which change of the traffic this is about); the hash is the record's digest."""

    model: str
    sequence: int
    key: str
    time: str
    kind: EntryKind
    from_release: str | None
    to_release: str
    by: str
    reason: str
    evidence: dict[str, Any]
    previous_hash: str
