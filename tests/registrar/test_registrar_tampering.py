"""Name a model's ledger that was tampered with, write nothing after it, and go on with others."""

import pytest
from sqlalchemy import text
from support.registrar_ledger import OVERRIDDEN, Scene, settled, told

from titlebout.ledger.database import StoredEntry
from titlebout.ledger.tail import read_tail
from titlebout.registrar.http_api import _answer


@pytest.mark.parametrize("column", sorted(StoredEntry.model_fields))
def test_a_tampered_column_stops_its_own_model_alone(registrar, tmp_path, column):
    """Follow the other model, whichever column it is; status and verify name the bad entry."""
    bad, good = Scene(tmp_path, "bad"), Scene(tmp_path, "good")
    first = told("blue", bad.release(1), None)
    registrar.see(bad.sees(first))
    registrar.step(wait_seconds=0.1)
    with bad.ledger.engine.begin() as connection:
        connection.execute(text(f"UPDATE ledger SET {column} = '{{' WHERE sequence = 1"))  # noqa: S608  a column's own name
    registrar.see(bad.sees(first, settled=settled(first)))
    registrar.see(good.sees(told("blue", good.release(1), None)))
    registrar.see_all("Service", {"bad", "good"})
    registrar.step(wait_seconds=0.1)
    assert [kind for kind, _, _ in good.entries()] == ["switched"]
    assert len(bad.entries()) == (0 if column == "model" else 1)
    assert "entry 1" in _answer(registrar, "/status")[1]["problems"]["ledger of bad"]
    faults = _answer(registrar, "/verify")[1]["faults"]
    assert any(fault.startswith("bad: entry 1") for fault in faults)
    assert not any(fault.startswith("good: entry") for fault in faults)


def rebuilt(scene, change):
    """Make the chain anew from what `change` makes of its entries; hashes and anchor fit."""
    entries = change([stored.entry for stored in scene.ledger.chain(scene.model)])
    with scene.ledger.engine.begin() as connection:
        connection.execute(text("DELETE FROM ledger"))
    scene.storage.filesystem.rm(scene.storage.address("ledger"), recursive=True)
    for entry in entries:
        scene.ledger.append(
            scene.model, **entry.model_dump(exclude={"model", "sequence", "previous_hash"})
        )
    read_tail(scene.storage, scene.ledger, scene.model).note_end()


def settlement_of(switch):
    return switch.model_copy(
        update={"key": f"{switch.key}/settled", "kind": "settled", "evidence": {}}
    )


def word_of(switch):
    return switch.model_copy(
        update={"key": f"{switch.key}/overridden", "kind": "overridden", "evidence": {}}
    )


FORGERIES = {
    "forged evidence": (
        lambda entries: [
            entries[0].model_copy(update={"evidence": {**entries[0].evidence, "tests": []}})
        ],
        "entry 1 says otherwise than the live Service tells of the change",
    ),
    "another name": (
        lambda entries: [entries[0].model_copy(update={"by": "ann"})],
        "entry 1 says otherwise than the live Service",
    ),
    "an invented settlement": (
        lambda entries: [*entries, settlement_of(entries[0])],
        "entry 2 settles what the live Service does not tell as settled",
    ),
    "an invented override": (
        lambda entries: [word_of(entries[0]), *entries],
        "entry 1 overrides a verdict, but the record of release",
    ),
    "all of it gone": (lambda entries: [], "and the ledger says nothing"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_chain_that_was_made_anew_is_held_against_the_live_service(registrar, tmp_path, forgery):
    """Compare with what releasers said there: whoever forges the ledger does not own it."""
    scene = Scene(tmp_path, "tiny")
    registrar.see(scene.sees(told("blue", scene.release(1), None)))
    registrar.see_all("Service", {"tiny"})
    registrar.step(wait_seconds=0.1)
    change, fault = FORGERIES[forgery]
    rebuilt(scene, change)
    faults = _answer(registrar, "/verify")[1]["faults"]
    assert any(fault in one for one in faults), faults


def test_what_the_registrar_wrote_is_without_fault(registrar, tmp_path):
    """Verify a switch, its settlement, an override, and the traffic back by kubectl."""
    scene = Scene(tmp_path, "tiny")
    first, second = (
        told("blue", scene.release(1), None),
        told("green", scene.release(2, OVERRIDDEN), scene.release(1)),
    )
    for sighting in (
        scene.sees(first),
        scene.sees(first, settled=settled(first)),
        scene.sees(second, first),
        scene.sees(second, first, settled=settled(second)),
        scene.sees(second, first, settled=settled(second), slot="blue", release=first.release),
    ):
        registrar.see(sighting)
        registrar.see_all("Service", {"tiny"})
        registrar.step(wait_seconds=0.1)
    kinds = [kind for kind, _, _ in scene.entries()]
    assert kinds == ["switched", "settled", "overridden", "switched", "settled", "rolled_back"]
    faults = _answer(registrar, "/verify")[1]["faults"]
    assert [fault for fault in faults if "verdicts/" not in fault] == []
