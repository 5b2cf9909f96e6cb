"""Write what the registrar sees, however late it looks."""

import pytest
from pydantic import ValidationError
from support.registrar_ledger import OVERRIDDEN, settled, told

from titlebout.rollout.kubernetes import Settlement


def test_a_switch_that_the_next_one_overwrote_is_written_first(scene):
    """Tell A→B while nobody writes, then B→C: both are written, and a second look adds nothing."""
    a, b, c = scene.release(1), scene.release(2), scene.release(3)
    first, second, third = told("blue", a, None), told("green", b, a), told("blue", c, b)
    scene.writes(scene.sees(first))
    expected = [("switched", None, a), ("switched", a, b), ("switched", b, c)]
    assert scene.writes(scene.sees(third, first, second)) == expected
    assert scene.writes(scene.sees(third, first, second)) == expected
    assert scene.ledger.chain("tiny")[1].evidence == {
        "slot": "green",
        "tests": [1],
        "change": second.id,
    }
    assert scene.faults() == []


def test_a_failed_bake_leaves_both_its_switches(scene):
    """Write the switch and the switch back, in the order in which they happened."""
    a, b = scene.release(1), scene.release(2)
    first, second, back = (
        told("blue", a, None),
        told("green", b, a),
        told("blue", a, b, kind="rolled_back"),
    )
    assert scene.writes(scene.sees(back, first, second)) == [
        ("switched", None, a),
        ("switched", a, b),
        ("rolled_back", b, a),
    ]


def test_an_overwritten_release_keeps_its_override_and_its_settlement(scene):
    """Write all about a release, though the traffic went back before anybody wrote."""
    a, b = scene.release(1), scene.release(2, OVERRIDDEN)
    first, second, back = (
        told("blue", a, None),
        told("green", b, a),
        told("blue", a, b, kind="rolled_back"),
    )
    scene.writes(scene.sees(first))
    written = scene.writes(scene.sees(back, first, second, settled=settled(second)))
    assert written[1:] == [
        ("overridden", a, b),
        ("switched", a, b),
        ("settled", a, b),
        ("rolled_back", b, a),
    ]


def test_a_patch_after_overwritten_switches_comes_last(scene):
    """Write all that was told, then where the patch sent the traffic: kubectl keeps annotations."""
    a, b = scene.release(1), scene.release(2)
    first, second, back = (
        told("blue", a, None),
        told("green", b, a),
        told("blue", a, b, kind="rolled_back"),
    )
    written = scene.writes(scene.sees(back, first, second, slot="green", release=b))
    assert written == [
        ("switched", None, a),
        ("switched", a, b),
        ("rolled_back", b, a),
        ("rolled_back", a, b),
    ]
    assert scene.ledger.chain("tiny")[-1].by == "kubectl-patch"
    assert scene.faults() == []


def test_the_ledger_goes_forward_only(scene):
    """Put no statement behind a later one that is written."""
    a, b, c = scene.release(1), scene.release(2), scene.release(3)
    first, second, third = told("blue", a, None), told("green", b, a), told("blue", c, b)
    before = scene.writes(scene.sees(third, first))
    assert scene.writes(scene.sees(third, first, second)) == before


def test_what_moved_unseen_is_an_entry_that_says_so(scene):
    """Patch unseen, and roll back from there: the ledger names what was live in between."""
    a, b = scene.release(1), scene.release(2)
    first, back = told("blue", a, None), told("blue", a, b, kind="rolled_back")
    scene.writes(scene.sees(first))
    expected = [("switched", None, a), ("switched", a, b), ("rolled_back", b, a)]
    assert scene.writes(scene.sees(back, first)) == expected
    assert scene.writes(scene.sees(back, first)) == expected
    unseen = scene.ledger.chain("tiny")[1]
    assert (unseen.by, unseen.evidence["slot"]) == ("unknown", "green")
    assert "nobody saw" in unseen.reason
    assert scene.faults() == []


def test_a_helm_rollback_of_the_live_slot_and_a_service_made_anew_are_no_faults(scene):
    """Go on from the release before in the same slot; begin anew after the Service was deleted."""
    a, b, c = scene.release(1), scene.release(2), scene.release(3)
    first, anew = told("blue", a, None), told("blue", c, None)
    scene.writes(scene.sees(first))
    scene.writes(scene.sees(first, release=b))
    assert scene.writes(scene.sees(anew)) == [
        ("switched", None, a),
        ("switched", a, b),
        ("switched", None, c),
    ]
    assert scene.faults() == []


def test_a_long_time_after_its_entry_a_statement_is_still_known(scene):
    """Move by kubectl forty times after a switch, whose statement stays: it is written once."""
    a, b = scene.release(1), scene.release(2)
    first, second = told("blue", a, None), told("green", b, a)
    scene.writes(scene.sees(second, first))
    for _ in range(20):
        scene.writes(scene.sees(second, first, slot="blue", release=a))
        before = scene.writes(scene.sees(second, first, slot="green", release=b))
    assert len(before) == 42
    assert scene.writes(scene.sees(second, first)) == before
    written = scene.writes(scene.sees(second, first, settled=settled(second)))
    assert written == [*before, ("settled", a, b)]
    assert scene.faults() == []


def test_a_release_that_was_live_long_ago_is_rolled_back_to(scene):
    """Call it a rollback, however many entries came in between."""
    a, b, c = scene.release(1), scene.release(2), scene.release(3)
    first = told("blue", a, None)
    scene.writes(scene.sees(first))
    for _ in range(10):
        scene.writes(scene.sees(first, slot="green", release=b))
        scene.writes(scene.sees(first, slot="blue", release=c))
    written = scene.writes(scene.sees(first, slot="green", release=a))
    assert written[-1] == ("rolled_back", c, a)
    assert scene.faults() == []


@pytest.mark.parametrize("name", ["%", "0" * 60_000, "0123456789abcde\0"])
def test_what_names_no_statement_is_no_settlement(name):
    """Read it as nothing: a search of the ledger for such a text would fail in the database."""
    with pytest.raises(ValidationError):
        Settlement(id=name, by="ci", reason="", time="2026-01-01T00:00:00+00:00")
