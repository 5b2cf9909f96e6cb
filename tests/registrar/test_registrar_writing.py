"""What the registrar writes of what it sees, however late it looks."""

from support.registrar_ledger import OVERRIDDEN, settled, told


def test_a_switch_that_the_next_one_overwrote_is_written_first(scene):
    """A→B was told while nobody wrote, then B→C: both are entries, B's with its own words, and a second look adds nothing."""
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
    """The switch and the switch back, told within one transaction, in the order in which they happened."""
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
    """All that the ledger says about a release, though the traffic went back before anybody wrote."""
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
    """kubectl leaves the annotations: all that was told is written, then where the patch sent the traffic."""
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
    """A statement older than one that is written is not put behind it."""
    a, b, c = scene.release(1), scene.release(2), scene.release(3)
    first, second, third = told("blue", a, None), told("green", b, a), told("blue", c, b)
    before = scene.writes(scene.sees(third, first))
    assert scene.writes(scene.sees(third, first, second)) == before


def test_what_moved_unseen_is_an_entry_that_says_so(scene):
    """A patch there, unseen, and a rollback from there: the ledger names what was live between, and that nobody saw it come."""
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
    """Another release in the same slot goes on from the one before; after the Service was deleted, nothing does."""
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
