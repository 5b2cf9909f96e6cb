"""What the releaser says about its own switch, on the live Service, in the same update as the switch."""

import hashlib
import secrets
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from titlebout.rollout.traffic import Change
from titlebout.spec import Record, SlotName

ID_CHARACTERS = 16
EARLIER_KEPT = 4  # a release begins only when the ledger has caught up, so at most two are unwritten: its switch, and the switch back
EARLIER_BYTES = (
    64 * 1024
)  # the API server allows an object 256 KiB of annotations, and a rollback must never be refused for its past
LEFT_OUT = {"left_out": "too large to be kept beside the next change"}
OUTSIDE = "someone outside of titlebout"  # who moved the traffic without a statement; the registrar finds out more


StatementId = Annotated[str, Field(pattern=f"^[0-9a-f]{{{ID_CHARACTERS}}}$")]


class Statement(Record):
    """A change of the traffic as its releaser tells it; `id` is what the registrar knows it by."""

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
        return cls(id=id_of(change), **change.model_dump(exclude={"number"}))

    def as_change(self) -> Change:
        return Change(number=int(self.id, 16), **self.model_dump(exclude={"id"}))


class Earlier(Record):
    """What was said before the change in force, oldest first: the ledger may have missed it, and nobody says it again."""

    statements: tuple[Statement, ...] = ()

    def and_then(self, told: Statement | None) -> "Earlier":
        """With what is in force until now; evidence first, then the oldest are left out where it would be too much."""
        newest = (*self.statements, *([told] if told else []))[-EARLIER_KEPT:]
        bare = tuple(one.model_copy(update={"evidence": LEFT_OUT}) for one in newest)
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
    """The bake of the change `id` went well."""

    id: StatementId
    by: str
    reason: str
    time: str


def id_of(change: Change) -> str:
    """On Kubernetes a change's number is its id, read as a hexadecimal number."""
    return f"{change.number:0{ID_CHARACTERS}x}"


def new_number() -> int:
    return int(secrets.token_hex(ID_CHARACTERS // 2), 16)


def outside_change(told: Statement | None, *, slot: SlotName, release: str, time: str) -> Change:
    """What is live though no releaser said so: a kubectl patch, or a helm rollback of the live slot's chart release.

    Its number follows from what was told last and what is live, so that whoever looks twice sees the same change. After a switch, traffic
    that is back where it came from was rolled back; after a rollback it went forth again.
    """
    before = told.release if told else None
    content = f"{told.id if told else ''}/{slot}/{release}"
    return Change(
        number=int(hashlib.sha256(content.encode()).hexdigest()[:ID_CHARACTERS], 16),
        slot=slot,
        release=release,
        from_release=before,
        kind="rolled_back"
        if told and told.kind == "switched" and release == told.from_release
        else "switched",
        by=OUTSIDE,
        reason="not given",
        time=time,
        evidence={},
    )
