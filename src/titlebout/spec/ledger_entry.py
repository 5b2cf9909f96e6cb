"""One entry of the append-only, hash-chained history of releases and rollbacks, per model and environment."""

from datetime import UTC, datetime
from typing import Any, Literal

from titlebout.spec.errors import IntegrityError
from titlebout.spec.record import Record

FIRST_PREVIOUS_HASH = "0" * 64
CLOCK = "clock"  # in an entry's evidence: what the clock said when it had been set back, and by how much
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

    @property
    def moment(self) -> datetime:
        """Return the entry's time; raises IntegrityError if it is none."""
        try:
            return moment_of(self.time)
        except (ValueError, TypeError) as error:
            raise IntegrityError(
                f"entry {self.sequence} of the ledger of {self.model}",
                expected="a time",
                found=str(self.time),
                next_step="titlebout verify, and a backup of the ledger",
            ) from error


def moment_of(text: str) -> datetime:
    """Read a time in ISO 8601, UTC unless it says otherwise; raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
