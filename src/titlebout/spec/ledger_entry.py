"""Describe one entry of the ledger.

The ledger is the append-only, hash-chained history of a model's releases and rollbacks in one
environment.
"""

from datetime import UTC, datetime
from typing import Any, Literal

from titlebout.spec.errors import IntegrityError
from titlebout.spec.record import Record

FIRST_PREVIOUS_HASH = "0" * 64
CLOCK = (
    "clock"  # key in an entry's evidence: the time of a clock that was set back, and by how much
)
EntryKind = Literal["switched", "settled", "rolled_back", "overridden"]


class LedgerEntry(Record):
    """Describe one change of the traffic.

    `key` names the change, so that writing it twice has no effect. The hash is the record's digest.
    """

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
        """Return the entry's time. Raise IntegrityError if it is not a time."""
        try:
            return moment_of(self.time)
        except (ValueError, TypeError) as error:
            raise IntegrityError(
                f"entry {self.sequence} of the ledger of {self.model}",
                expected="a time",
                found=str(self.time),
                next_step="run titlebout verify, and restore the ledger from a backup",
            ) from error


def moment_of(text: str) -> datetime:
    """Read a time in ISO 8601, in UTC unless it has a zone. Raise ValueError for another text."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
