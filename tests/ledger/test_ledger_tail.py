"""The end of a chain is verified from its anchor on, at a cost that does not grow with it."""

import subprocess
import sys

import pytest
from sqlalchemy import event
from support.ledger_chain import MODEL, append_switch, ledger_of, rehash, run_sql

from titlebout.ledger import database, drafts_of_change
from titlebout.ledger.anchor import read_anchor
from titlebout.ledger.record_faults import chain_faults
from titlebout.ledger.tail import ENTRIES_BEFORE_ANCHOR, read_tail
from titlebout.rollout import Change
from titlebout.spec import IntegrityError
from titlebout.storage import Storage

ANCHORED, WRITTEN = 40, 44  # four entries come after the anchor, and 25 is the first checked


@pytest.fixture
def storage(tmp_path):
    return Storage(str(tmp_path / "storage"))


@pytest.fixture
def ledger(tmp_path, storage):
    """Return a chain of 44 entries whose end was noted when it had 40."""
    ledger = ledger_of(tmp_path, ANCHORED)
    read_tail(storage, ledger, MODEL).note_end()
    for number in range(ANCHORED + 1, WRITTEN + 1):
        append_switch(ledger, number)
    return ledger


def test_what_comes_after_the_anchor_is_read_and_noted(storage, ledger):
    """Keep an entry that a killed writer left after the anchor, and move the anchor to it."""
    tail = read_tail(storage, ledger, MODEL)
    tail.note_end()
    assert read_anchor(storage, MODEL).sequence == WRITTEN
    assert tail.last_move().to_release == f"r{WRITTEN}"


TAMPERED = {
    "altered after the anchor": (
        ["UPDATE ledger SET by = 'mallory' WHERE sequence = 42"],
        "entry 42 was altered",
    ),
    "removed after the anchor": (
        ["DELETE FROM ledger WHERE sequence = 42"],
        "entry 42 is missing: entry 43 comes in its place",
    ),
    "put in between after the anchor": (
        [
            "UPDATE ledger SET sequence = 45 WHERE sequence = 44",
            "INSERT INTO ledger SELECT model, 44, 'k', time, kind, from_release, to_release, by, "
            "reason, evidence, 'f', 'f' FROM ledger WHERE sequence = 43",
        ],
        "entry 44 was altered",
    ),
    "cut off before the anchor": (
        ["DELETE FROM ledger WHERE sequence >= 40"],
        "entry 40 is missing: the chain ended with entry 40",
    ),
    "cut off long before the anchor": (
        ["DELETE FROM ledger WHERE sequence >= 10"],
        "is missing: the chain ended with entry 40",
    ),
    "all removed": (["DELETE FROM ledger"], "is missing: the chain ended with entry 40"),
    "the anchor's entry altered": (
        ["UPDATE ledger SET reason = '' WHERE sequence = 40"],
        "entry 40 was altered",
    ),
    "the first entry that is checked altered": (
        ["UPDATE ledger SET reason = '' WHERE sequence = 25"],
        "entry 25 was altered",
    ),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_switch_refuses_a_chain_that_was_tampered_with(storage, ledger, case):
    """Find at the next switch what was done after the anchor, at it or shortly before it."""
    statements, fault = TAMPERED[case]
    run_sql(ledger, *statements)
    with pytest.raises(IntegrityError, match=fault):
        read_tail(storage, ledger, MODEL)


@pytest.mark.parametrize("since", [1, 24, 25, ANCHORED])
def test_a_chain_that_was_made_anew_is_refused(storage, ledger, since):
    """Rewrite it from anywhere with fitting hashes: the anchor's entry has another hash then."""
    run_sql(ledger, f"UPDATE ledger SET by = 'mallory' WHERE sequence = {since}")  # noqa: S608  a number of this test
    rehash(ledger, MODEL, since=since)
    with pytest.raises(IntegrityError, match="entry 40 is not the one that was noted"):
        read_tail(storage, ledger, MODEL)


def test_an_entry_altered_long_before_the_anchor_is_found_by_verify(storage, ledger):
    """Let a switch go on from the anchor; `verify` recomputes the chain from its first entry."""
    run_sql(ledger, "UPDATE ledger SET by = 'mallory' WHERE sequence = 3")
    read_tail(storage, ledger, MODEL).note_end()
    faults = list(chain_faults(MODEL, ledger.chain(MODEL), storage))
    assert faults == ["entry 3 was altered: its content does not have its hash"]


def test_without_an_anchor_the_whole_chain_is_checked(tmp_path, storage):
    """Check all at the first write, and at the first after the note was lost."""
    ledger = ledger_of(tmp_path, 40)
    run_sql(ledger, "UPDATE ledger SET by = 'mallory' WHERE sequence = 3")
    with pytest.raises(IntegrityError, match="entry 3 was altered"):
        read_tail(storage, ledger, MODEL)


def test_an_older_entry_that_is_needed_is_found(storage, ledger):
    """Find it by key, by change or by release, however long ago it was written."""
    tail = read_tail(storage, ledger, MODEL)
    assert tail.find({"k2", "k43", "none"}).keys() == {"k2", "k43"}
    assert tail.newest_about(["c1", "c2"]).key == "k2"
    assert tail.newest_about(["c1", "c43"]).key == "k43"
    assert tail.newest_about(["c999", "%"]) is None
    assert tail.last_move(to_release="r2").key == "k2"
    assert tail.last_move(to_release="r999") is None


@pytest.mark.parametrize(
    "use",
    [
        lambda tail: tail.find({"k2"}),
        lambda tail: tail.newest_about(["c2"]),
        lambda tail: tail.last_move(to_release="r2"),
    ],
)
def test_an_older_entry_that_is_needed_and_was_altered_is_refused(storage, ledger, use):
    """Verify what a switch relies on, wherever it stands."""
    run_sql(ledger, "UPDATE ledger SET by = 'mallory' WHERE sequence = 2")
    with pytest.raises(IntegrityError, match="entry 2 was altered"):
        use(read_tail(storage, ledger, MODEL))


def test_all_entries_of_a_change_are_written_once(storage, ledger):
    """Add nothing the second time, also by a writer with an older view; keep the later anchor."""
    change = Change(
        number=45,
        slot="green",
        release="r45",
        from_release="r44",
        kind="switched",
        by="ci",
        reason="it won",
        time="2026-01-01T00:00:00+00:00",
        evidence={},
    )
    drafts = drafts_of_change(change, key="k45", override=None)
    first, second = (read_tail(storage, ledger, MODEL) for _ in range(2))
    for tail in (first, second, first):
        tail.write_change(drafts)
        tail.note_end()
    assert [stored.key for stored in ledger.chain(MODEL, after=WRITTEN)] == ["k45"]
    assert read_anchor(storage, MODEL).sequence == WRITTEN + 1


def test_the_rows_that_are_read_do_not_grow_with_the_chain(tmp_path, storage, monkeypatch):
    """Read as many of a hundred entries as of thirty."""
    rows, read = [], database._from_row
    monkeypatch.setattr(database, "_from_row", lambda row: rows.append(row) or read(row))
    counts = []
    for entries in (30, 100):
        ledger = ledger_of(tmp_path / str(entries), entries)
        own = Storage(str(tmp_path / f"storage-{entries}"))
        read_tail(own, ledger, MODEL).note_end()
        rows.clear()
        read_tail(own, ledger, MODEL).note_end()
        counts.append(len(rows))
    assert counts == [ENTRIES_BEFORE_ANCHOR] * 2


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (lambda ledger: ledger.with_keys(MODEL, {"k1", "k2", "k3"}), "model=? AND key=?"),
        (lambda ledger: ledger.chain(MODEL, after=40), "model=? AND sequence>?"),
    ],
)
def test_a_read_goes_by_an_index_and_not_through_all_entries(ledger, read, index):
    """Ask SQLite how it finds the rows: on its own it prefers any index that gives an order."""
    asked = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    read(ledger)
    ((statement, parameters),) = asked
    with ledger.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert [index in row[3] for row in plan] == [True]


def test_the_room_does_not_import_the_database():
    """Import `titlebout.ledger` without SQLAlchemy: a rollback moves the traffic first."""
    program = "import sys, titlebout.ledger, titlebout.release; print('sqlalchemy' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"
