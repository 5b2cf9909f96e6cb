"""One model's ledger was tampered with: the registrar says so, writes nothing after it, and goes on with the others."""

import pytest
from scene import Scene, settled, told
from sqlalchemy import text

from titlebout.registrar.api import _answer
from titlebout.release.ledger import StoredEntry


@pytest.mark.parametrize("column", sorted(StoredEntry.model_fields))
def test_a_tampered_column_stops_its_own_model_alone(registrar, tmp_path, column):
    """Whichever column it is: the other model is followed, status and verify name the bad entry, and no step raises."""
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
