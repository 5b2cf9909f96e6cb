"""Keep earlier statements beside the one in force.

They are enough for a late ledger, and never too much for the API server.
"""

import pytest
from pydantic import ValidationError

from titlebout.rollout.kubernetes.statement import (
    EARLIER_BYTES,
    EARLIER_KEPT,
    LEFT_OUT,
    Earlier,
    Statement,
    outside_change,
)


def statement(number: int, *, evidence: dict | None = None, reason: str = "") -> Statement:
    """Return a statement with the number."""
    return Statement(
        id=f"{number:016x}",
        slot="blue",
        release="r",
        from_release=None,
        kind="switched",
        by="ci",
        reason=reason,
        time="2026-01-01T00:00:00+00:00",
        evidence=evidence or {},
    )


def test_traffic_that_is_moved_back_and_forth_by_hand():
    """Traffic moved back is a rollback; moved forward again it is a switch.

    A rollback then has a release to go to.
    """
    switched = statement(1).model_copy(update={"release": "b", "from_release": "a"})
    back = statement(2).model_copy(
        update={"release": "a", "from_release": "b", "kind": "rolled_back"}
    )
    found = [
        outside_change(statements, slot="blue", release=release, time="t")
        for statements, release in ((switched, "a"), (back, "b"))
    ]
    assert [(change.kind, change.from_release) for change in found] == [
        ("rolled_back", "b"),
        ("switched", "a"),
    ]


def after(*statements: Statement) -> tuple[Statement, ...]:
    """Return what is kept after these statements."""
    earlier = Earlier()
    for one in statements:
        earlier = earlier.and_then(one)
    assert len(earlier.canonical_json().encode()) <= EARLIER_BYTES
    assert Earlier.model_validate_json(earlier.canonical_json()) == earlier
    return earlier.statements


def test_the_newest_are_kept_whole_and_in_order():
    """The last few statements are kept in order, with their evidence."""
    statements = [statement(number, evidence={"n": number}) for number in range(6)]
    assert after(*statements) == tuple(statements[-EARLIER_KEPT:])
    assert Earlier().and_then(None).statements == ()


def test_what_would_be_too_large_loses_its_evidence_first():
    """A statement that is too large loses its evidence, and the next one stays whole."""
    first, second = statement(1, evidence={"rows": "x" * EARLIER_BYTES}), statement(2)
    assert [(kept.id, kept.evidence) for kept in after(first, second)] == [
        (first.id, LEFT_OUT),
        (second.id, {}),
    ]


def test_an_id_that_is_no_number_is_no_statement():
    """An id that is no number is refused.

    So a wrong annotation stops neither a rollback nor the registrar, which both read the id as a
    number.
    """
    with pytest.raises(ValidationError, match="id"):
        Statement.model_validate(statement(1).model_dump() | {"id": "the third"})


def test_nothing_is_too_large_to_switch():
    """A long reason replaces those before it; one that is far too long is not kept."""
    first = statement(1)
    second = statement(2, reason="é" * (EARLIER_BYTES // 3))
    third = statement(3, reason="é" * EARLIER_BYTES)
    assert [kept.id for kept in after(first, second, second)] == [second.id]
    assert after(first, third) == ()
