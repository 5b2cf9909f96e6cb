"""Write what the releaser says about its own switch, on the live Service.

It is written in the same update as the switch.
"""

import hashlib
import secrets
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from titlebout.rollout.traffic import Change
from titlebout.spec import Record, SlotName

ID_CHARACTERS = 16
# A release begins only when the ledger has caught up. So at most two are unwritten: its switch, and
# the switch back.
EARLIER_KEPT = 4
# The API server allows an object 256 KiB of annotations, and a rollback must never be refused for
# what was written before.
EARLIER_BYTES = 64 * 1024
LEFT_OUT = {"left_out": "too large to be kept beside the next change"}
# Who moved the traffic without a statement; the registrar finds out more.
OUTSIDE = "someone outside of titlebout"


StatementId = Annotated[str, Field(pattern=f"^[0-9a-f]{{{ID_CHARACTERS}}}$")]


class Statement(Record):
    """Hold a change of the traffic as its releaser writes it.

    `id` is what the registrar knows it by.
    """

    id: StatementId
    slot: SlotName
    release: str
    from_release: str | None
    kind: Literal["switched", "rolled_back"]
    by: str
    reason: str
    time: str
    evidence: dict[str, Any]

    @classmethod
    def of(cls, change: Change) -> Self:
        """Return the statement of a change."""
        return cls(id=id_of(change), **change.model_dump(exclude={"number"}))

    def as_change(self) -> Change:
        """Return the change that the statement describes."""
        return Change(number=int(self.id, 16), **self.model_dump(exclude={"id"}))


class Earlier(Record):
    """Keep the statements before the change in force, oldest first.

    The ledger may have missed them, and nobody writes them again.
    """

    statements: tuple[Statement, ...] = ()

    def and_then(self, statement: Statement | None) -> "Earlier":
        """Return these statements and the one that was in force until now.

        If they are too large, the evidence is left out first, then the oldest statements.
        """
        newest = (*self.statements, *([statement] if statement else []))[-EARLIER_KEPT:]
        bare = tuple(
            statement_kept.model_copy(update={"evidence": LEFT_OUT}) for statement_kept in newest
        )
        choices = (Earlier(statements=kept) for kept in (newest, bare, bare[-1:]))
        return next(
            (
                earlier
                for earlier in choices
                if len(earlier.canonical_json().encode()) <= EARLIER_BYTES
            ),
            Earlier(),
        )


class Settlement(Record):
    """Say that the bake of the change `id` went well."""

    id: StatementId
    by: str
    reason: str
    time: str


def id_of(change: Change) -> str:
    """Return a change's number as a hexadecimal number: on Kubernetes, that is its id."""
    return f"{change.number:0{ID_CHARACTERS}x}"


def new_number() -> int:
    """Return a random number for a new change."""
    return int(secrets.token_hex(ID_CHARACTERS // 2), 16)


def outside_change(
    statement: Statement | None, *, slot: SlotName, release: str, time: str
) -> Change:
    """Describe what is live without a releaser's statement.

    It comes from a kubectl patch, or a helm rollback of the live slot's chart release. Its number
    follows from the last statement and what is live, so that every reader sees the same change.

    After a switch, traffic that is back where it came from was rolled back. After a rollback it was
    switched again.
    """
    before = statement.release if statement else None
    content = f"{statement.id if statement else ''}/{slot}/{release}"
    return Change(
        number=int(hashlib.sha256(content.encode()).hexdigest()[:ID_CHARACTERS], 16),
        slot=slot,
        release=release,
        from_release=before,
        kind="rolled_back"
        if statement and statement.kind == "switched" and release == statement.from_release
        else "switched",
        by=OUTSIDE,
        reason="not given",
        time=time,
        evidence={},
    )
