"""What the releaser says about its own switch, on the live Service, in the same update as the switch."""

import hashlib
import secrets
from typing import Any, Literal, Self

from titlebout.rollout.traffic import Change, SlotName
from titlebout.spec import Record

ID_CHARACTERS = 16
OUTSIDE = "someone outside of titlebout"  # who moved the traffic without a statement; the registrar finds out more


class Statement(Record):
    """A change of the traffic as its releaser tells it; `id` is what the registrar knows it by."""

    id: str
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


class Settlement(Record):
    """The bake of the change `id` went well."""

    id: str
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

    Its number follows from what was told last and what is live, so that whoever looks twice sees the same change. The traffic that is
    back where it came from was rolled back.
    """
    before = told.release if told else None
    content = f"{told.id if told else ''}/{slot}/{release}"
    return Change(
        number=int(hashlib.sha256(content.encode()).hexdigest()[:ID_CHARACTERS], 16),
        slot=slot,
        release=release,
        from_release=before,
        kind="rolled_back" if told and release == told.from_release else "switched",
        by=OUTSIDE,
        reason="not given",
        time=time,
        evidence={},
    )
