"""Name a model's ledger that was tampered with, write nothing after it, and go on with others."""

import pytest
from sqlalchemy import text
from support.registrar_ledger import OVERRIDDEN, RegistrarLedger, settlement_of, statement_of

from titlebout.ledger.database import StoredEntry
from titlebout.ledger.tail import read_tail
from titlebout.registrar.http_api import _answer


@pytest.mark.parametrize("column", sorted(StoredEntry.model_fields))
def test_a_tampered_column_stops_its_own_model_alone(registrar, tmp_path, column):
    """Follow the other model, whichever column it is; status and verify name the bad entry."""
    bad, good = RegistrarLedger(tmp_path, "bad"), RegistrarLedger(tmp_path, "good")
    first = statement_of("blue", bad.release(1), None)
    registrar.see(bad.next_sighting(first))
    registrar.step(wait_seconds=0.1)
    with bad.ledger.engine.begin() as connection:
        connection.execute(text(f"UPDATE ledger SET {column} = '{{' WHERE sequence = 1"))  # noqa: S608  a column's own name
    registrar.see(bad.next_sighting(first, settlement=settlement_of(first)))
    registrar.see(good.next_sighting(statement_of("blue", good.release(1), None)))
    registrar.see_all("Service", {"bad", "good"})
    registrar.step(wait_seconds=0.1)
    assert [kind for kind, _, _ in good.entries()] == ["switched"]
    assert len(bad.entries()) == (0 if column == "model" else 1)
    assert "entry 1" in _answer(registrar, "/status")[1]["problems"]["ledger of bad"]
    faults = _answer(registrar, "/verify")[1]["faults"]
    assert any(fault.startswith("bad: entry 1") for fault in faults)
    assert not any(fault.startswith("good: entry") for fault in faults)


def rebuild_chain(registrar_ledger, change):
    """Make the chain anew from what `change` makes of its entries; hashes and anchor fit."""
    entries = change(
        [stored.entry for stored in registrar_ledger.ledger.chain(registrar_ledger.model)]
    )
    with registrar_ledger.ledger.engine.begin() as connection:
        connection.execute(text("DELETE FROM ledger"))
    registrar_ledger.storage.filesystem.rm(
        registrar_ledger.storage.address("ledger"), recursive=True
    )
    for entry in entries:
        registrar_ledger.ledger.append(
            registrar_ledger.model,
            **entry.model_dump(exclude={"model", "sequence", "previous_hash"}),
        )
    read_tail(registrar_ledger.storage, registrar_ledger.ledger, registrar_ledger.model).note_end()


def settled_entry_of(switch):
    """Return an invented entry that settles this switch."""
    return switch.model_copy(
        update={"key": f"{switch.key}/settled", "kind": "settled", "evidence": {}}
    )


def overridden_entry_of(switch):
    """Return an invented entry that overrides a verdict for this switch."""
    return switch.model_copy(
        update={"key": f"{switch.key}/overridden", "kind": "overridden", "evidence": {}}
    )


FORGERIES = {
    "forged evidence": (
        lambda entries: [
            entries[0].model_copy(update={"evidence": {**entries[0].evidence, "tests": []}})
        ],
        "entry 1 differs from the change that the live Service states",
    ),
    "another name": (
        lambda entries: [entries[0].model_copy(update={"by": "ann"})],
        "entry 1 differs from the change that the live Service",
    ),
    "an invented settlement": (
        lambda entries: [*entries, settled_entry_of(entries[0])],
        "entry 2 settles a change that is not settled on the live Service",
    ),
    "an invented override": (
        lambda entries: [overridden_entry_of(entries[0]), *entries],
        "entry 1 overrides a verdict, but the record of release",
    ),
    "all of it gone": (lambda entries: [], "and the ledger says nothing"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_rebuilt_chain_is_compared_with_the_live_service(registrar, tmp_path, forgery):
    """Find what differs from the statements there, which a forger of the ledger cannot change."""
    registrar_ledger = RegistrarLedger(tmp_path, "tiny")
    registrar.see(
        registrar_ledger.next_sighting(statement_of("blue", registrar_ledger.release(1), None))
    )
    registrar.see_all("Service", {"tiny"})
    registrar.step(wait_seconds=0.1)
    change, fault = FORGERIES[forgery]
    rebuild_chain(registrar_ledger, change)
    faults = _answer(registrar, "/verify")[1]["faults"]
    assert any(fault in one for one in faults), faults


def test_what_the_registrar_wrote_is_without_fault(registrar, tmp_path):
    """Verify a switch, its settlement, an override, and the traffic back by kubectl."""
    registrar_ledger = RegistrarLedger(tmp_path, "tiny")
    first, second = (
        statement_of("blue", registrar_ledger.release(1), None),
        statement_of("green", registrar_ledger.release(2, OVERRIDDEN), registrar_ledger.release(1)),
    )
    for sighting in (
        registrar_ledger.next_sighting(first),
        registrar_ledger.next_sighting(first, settlement=settlement_of(first)),
        registrar_ledger.next_sighting(second, first),
        registrar_ledger.next_sighting(second, first, settlement=settlement_of(second)),
        registrar_ledger.next_sighting(
            second, first, settlement=settlement_of(second), slot="blue", release=first.release
        ),
    ):
        registrar.see(sighting)
        registrar.see_all("Service", {"tiny"})
        registrar.step(wait_seconds=0.1)
    kinds = [kind for kind, _, _ in registrar_ledger.entries()]
    assert kinds == ["switched", "settled", "overridden", "switched", "settled", "rolled_back"]
    faults = _answer(registrar, "/verify")[1]["faults"]
    assert [fault for fault in faults if "verdicts/" not in fault] == []
