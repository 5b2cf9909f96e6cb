"""What is kept of earlier statements beside the one in force: enough for a late ledger, never too much for the API server."""

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
    """Back where it came from is a rollback; from there to what was rolled back is not one: a rollback has somewhere to go to then."""
    switched = statement(1).model_copy(update={"release": "b", "from_release": "a"})
    back = statement(2).model_copy(
        update={"release": "a", "from_release": "b", "kind": "rolled_back"}
    )
    found = [
        outside_change(told, slot="blue", release=release, time="t")
        for told, release in ((switched, "a"), (back, "b"))
    ]
    assert [(change.kind, change.from_release) for change in found] == [
        ("rolled_back", "b"),
        ("switched", "a"),
    ]


def after(*statements: Statement) -> tuple[Statement, ...]:
    earlier = Earlier()
    for one in statements:
        earlier = earlier.and_then(one)
    assert len(earlier.canonical_json().encode()) <= EARLIER_BYTES
    assert Earlier.model_validate_json(earlier.canonical_json()) == earlier
    return earlier.statements


def test_the_newest_are_kept_whole_and_in_order():
    """The last few, with their evidence."""
    told = [statement(number, evidence={"n": number}) for number in range(6)]
    assert after(*told) == tuple(told[-EARLIER_KEPT:])
    assert Earlier().and_then(None).statements == ()


def test_what_would_be_too_large_loses_its_evidence_first():
    """Who, when and why stay, and what comes after is whole."""
    first, second = statement(1, evidence={"rows": "x" * EARLIER_BYTES}), statement(2)
    assert [(kept.id, kept.evidence) for kept in after(first, second)] == [
        (first.id, LEFT_OUT),
        (second.id, {}),
    ]


def test_an_id_that_is_no_number_is_no_statement():
    """Whoever scribbles in the annotation stops neither a rollback nor the registrar, which both read the id as a number."""
    with pytest.raises(ValidationError, match="id"):
        Statement.model_validate(statement(1).model_dump() | {"id": "the third"})


def test_nothing_is_too_large_to_switch():
    """A long reason takes the place of those before it; one beyond any measure is not kept."""
    first, second, third = (
        statement(1),
        statement(2, reason="é" * (EARLIER_BYTES // 3)),
        statement(3, reason="é" * EARLIER_BYTES),
    )
    assert [kept.id for kept in after(first, second, second)] == [second.id]
    assert after(first, third) == ()
