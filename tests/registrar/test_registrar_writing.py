"""Write what the registrar sees, however late it looks."""

import pytest
from pydantic import ValidationError
from support.registrar_ledger import OVERRIDDEN, settlement_of, statement_of

from titlebout.rollout.kubernetes import Settlement


def test_a_switch_that_the_next_one_overwrote_is_written_first(registrar_ledger):
    """Tell A→B while nobody writes, then B→C: both are written, and a second look adds nothing."""
    a, b, c = registrar_ledger.release(1), registrar_ledger.release(2), registrar_ledger.release(3)
    first, second, third = (
        statement_of("blue", a, None),
        statement_of("green", b, a),
        statement_of("blue", c, b),
    )
    registrar_ledger.write_entries(registrar_ledger.next_sighting(first))
    expected = [("switched", None, a), ("switched", a, b), ("switched", b, c)]
    assert (
        registrar_ledger.write_entries(registrar_ledger.next_sighting(third, first, second))
        == expected
    )
    assert (
        registrar_ledger.write_entries(registrar_ledger.next_sighting(third, first, second))
        == expected
    )
    assert registrar_ledger.ledger.chain("tiny")[1].evidence == {
        "slot": "green",
        "tests": [1],
        "change": second.id,
    }
    assert registrar_ledger.faults() == []


def test_a_failed_bake_leaves_both_its_switches(registrar_ledger):
    """Write the switch and the switch back, in the order in which they happened."""
    a, b = registrar_ledger.release(1), registrar_ledger.release(2)
    first, second, back = (
        statement_of("blue", a, None),
        statement_of("green", b, a),
        statement_of("blue", a, b, kind="rolled_back"),
    )
    assert registrar_ledger.write_entries(registrar_ledger.next_sighting(back, first, second)) == [
        ("switched", None, a),
        ("switched", a, b),
        ("rolled_back", b, a),
    ]


def test_an_overwritten_release_keeps_its_override_and_its_settlement(registrar_ledger):
    """Write all about a release, though the traffic went back before anybody wrote."""
    a, b = registrar_ledger.release(1), registrar_ledger.release(2, OVERRIDDEN)
    first, second, back = (
        statement_of("blue", a, None),
        statement_of("green", b, a),
        statement_of("blue", a, b, kind="rolled_back"),
    )
    registrar_ledger.write_entries(registrar_ledger.next_sighting(first))
    written = registrar_ledger.write_entries(
        registrar_ledger.next_sighting(back, first, second, settlement=settlement_of(second))
    )
    assert written[1:] == [
        ("overridden", a, b),
        ("switched", a, b),
        ("settled", a, b),
        ("rolled_back", b, a),
    ]


def test_a_patch_after_overwritten_switches_comes_last(registrar_ledger):
    """Write all that was told, then where the patch sent the traffic: kubectl keeps annotations."""
    a, b = registrar_ledger.release(1), registrar_ledger.release(2)
    first, second, back = (
        statement_of("blue", a, None),
        statement_of("green", b, a),
        statement_of("blue", a, b, kind="rolled_back"),
    )
    written = registrar_ledger.write_entries(
        registrar_ledger.next_sighting(back, first, second, slot="green", release=b)
    )
    assert written == [
        ("switched", None, a),
        ("switched", a, b),
        ("rolled_back", b, a),
        ("rolled_back", a, b),
    ]
    assert registrar_ledger.ledger.chain("tiny")[-1].by == "kubectl-patch"
    assert registrar_ledger.faults() == []


def test_the_ledger_goes_forward_only(registrar_ledger):
    """Put no statement behind a later one that is written."""
    a, b, c = registrar_ledger.release(1), registrar_ledger.release(2), registrar_ledger.release(3)
    first, second, third = (
        statement_of("blue", a, None),
        statement_of("green", b, a),
        statement_of("blue", c, b),
    )
    before = registrar_ledger.write_entries(registrar_ledger.next_sighting(third, first))
    assert (
        registrar_ledger.write_entries(registrar_ledger.next_sighting(third, first, second))
        == before
    )


def test_what_moved_unseen_is_an_entry_that_says_so(registrar_ledger):
    """Patch unseen, and roll back from there: the ledger names what was live in between."""
    a, b = registrar_ledger.release(1), registrar_ledger.release(2)
    first, back = statement_of("blue", a, None), statement_of("blue", a, b, kind="rolled_back")
    registrar_ledger.write_entries(registrar_ledger.next_sighting(first))
    expected = [("switched", None, a), ("switched", a, b), ("rolled_back", b, a)]
    assert registrar_ledger.write_entries(registrar_ledger.next_sighting(back, first)) == expected
    assert registrar_ledger.write_entries(registrar_ledger.next_sighting(back, first)) == expected
    unseen = registrar_ledger.ledger.chain("tiny")[1]
    assert (unseen.by, unseen.evidence["slot"]) == ("unknown", "green")
    assert "since when is unknown" in unseen.reason
    assert registrar_ledger.faults() == []


def test_a_helm_rollback_of_the_live_slot_and_a_service_made_anew_are_no_faults(registrar_ledger):
    """Go on from the release before in the same slot; begin anew after the Service was deleted."""
    a, b, c = registrar_ledger.release(1), registrar_ledger.release(2), registrar_ledger.release(3)
    first, anew = statement_of("blue", a, None), statement_of("blue", c, None)
    registrar_ledger.write_entries(registrar_ledger.next_sighting(first))
    registrar_ledger.write_entries(registrar_ledger.next_sighting(first, release=b))
    assert registrar_ledger.write_entries(registrar_ledger.next_sighting(anew)) == [
        ("switched", None, a),
        ("switched", a, b),
        ("switched", None, c),
    ]
    assert registrar_ledger.faults() == []


def test_a_long_time_after_its_entry_a_statement_is_still_known(registrar_ledger):
    """Move by kubectl forty times after a switch, whose statement stays: it is written once."""
    a, b = registrar_ledger.release(1), registrar_ledger.release(2)
    first, second = statement_of("blue", a, None), statement_of("green", b, a)
    registrar_ledger.write_entries(registrar_ledger.next_sighting(second, first))
    for _ in range(20):
        registrar_ledger.write_entries(
            registrar_ledger.next_sighting(second, first, slot="blue", release=a)
        )
        before = registrar_ledger.write_entries(
            registrar_ledger.next_sighting(second, first, slot="green", release=b)
        )
    assert len(before) == 42
    assert registrar_ledger.write_entries(registrar_ledger.next_sighting(second, first)) == before
    written = registrar_ledger.write_entries(
        registrar_ledger.next_sighting(second, first, settlement=settlement_of(second))
    )
    assert written == [*before, ("settled", a, b)]
    assert registrar_ledger.faults() == []


def test_a_release_that_was_live_long_ago_is_rolled_back_to(registrar_ledger):
    """Call it a rollback, however many entries came in between."""
    a, b, c = registrar_ledger.release(1), registrar_ledger.release(2), registrar_ledger.release(3)
    first = statement_of("blue", a, None)
    registrar_ledger.write_entries(registrar_ledger.next_sighting(first))
    for _ in range(10):
        registrar_ledger.write_entries(
            registrar_ledger.next_sighting(first, slot="green", release=b)
        )
        registrar_ledger.write_entries(
            registrar_ledger.next_sighting(first, slot="blue", release=c)
        )
    written = registrar_ledger.write_entries(
        registrar_ledger.next_sighting(first, slot="green", release=a)
    )
    assert written[-1] == ("rolled_back", c, a)
    assert registrar_ledger.faults() == []


@pytest.mark.parametrize("name", ["%", "0" * 60_000, "0123456789abcde\0"])
def test_what_names_no_statement_is_no_settlement(name):
    """Read it as nothing: a search of the ledger for such a text would fail in the database."""
    with pytest.raises(ValidationError):
        Settlement(id=name, by="ci", reason="", time="2026-01-01T00:00:00+00:00")
