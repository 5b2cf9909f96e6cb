"""The ledger: written once, one chain however many write, and whatever was done to it is found."""

import contextlib
import shutil
import threading
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from support.release_project import ENVIRONMENT, MODEL, House

from titlebout.ledger.chain import misplaced
from titlebout.ledger.database import Ledger, StoredEntry, open_ledger
from titlebout.ledger.history import entry_in_words, history, serving_at
from titlebout.ledger.tail import read_tail
from titlebout.release import reconcile
from titlebout.release.verify import chain_faults, verify
from titlebout.spec import FIRST_PREVIOUS_HASH, IntegrityError, SpecError, canonical_json
from titlebout.storage import Storage


def write(ledger, number, *, kind="switched"):
    return ledger.append(
        "m",
        key=f"address/{number}",
        time=f"2026-01-0{number % 9 + 1}T00:00:00+00:00",
        kind=kind,
        from_release=None,
        to_release="r",
        by="ann",
        reason="",
        evidence={"n": number},
    )


def test_each_entry_names_the_one_before_by_its_hash(tmp_path):
    """Sequence from 1, the first after sixty-four zeros, the hash is the record's digest."""
    ledger = open_ledger(tmp_path)
    first, second = write(ledger, 1), write(ledger, 2)
    assert (first.sequence, first.previous_hash) == (1, FIRST_PREVIOUS_HASH)
    assert (second.sequence, second.previous_hash) == (2, first.digest)
    assert [stored.hash for stored in ledger.chain("m")] == [first.digest, second.digest]


def test_the_same_key_is_written_once(tmp_path):
    """Whoever asks again gets the entry that is there, whatever else he says."""
    ledger = open_ledger(tmp_path)
    assert write(ledger, 1) == write(ledger, 1, kind="rolled_back")
    assert len(ledger.chain("m")) == 1


def test_many_writers_make_one_chain(tmp_path):
    """Four writers with a connection each, the same keys in different orders: every key once, no fork, no gap."""
    ledgers = [Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") for _ in range(4)]
    orders = [range(1, 9), range(8, 0, -1), range(1, 9), range(4, 9)]
    writers = [
        threading.Thread(
            target=lambda ledger=ledger, order=order: [write(ledger, n) for n in order]
        )
        for ledger, order in zip(ledgers, orders, strict=True)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    chain = ledgers[0].chain("m")
    assert sorted(stored.key for stored in chain) == sorted(f"address/{n}" for n in range(1, 9))
    assert [stored.sequence for stored in chain] == list(range(1, 9))
    assert [stored.previous_hash for stored in chain] == [
        FIRST_PREVIOUS_HASH,
        *(stored.hash for stored in chain[:-1]),
    ]


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A house with two releases and a rollback: switched, settled, switched, settled, rolled_back."""
    house = House(tmp_path_factory.mktemp("lived")).build()
    try:
        house.released("a")
        house.released("b")
        house.rollback()
    finally:
        house.close()
    assert verify(house.project, ENVIRONMENT) == []
    return house


@pytest.fixture
def past(lived, tmp_path):
    """A copy of its own for every forger."""
    copy = House(shutil.copytree(lived.project, tmp_path / "copy", symlinks=True))
    yield copy
    copy.close()


def sql(house, *statements):
    with open_ledger(house.project / ".titlebout" / ENVIRONMENT).engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def rehash_from(house, sequence):
    """What a forger with the code does: give every entry from here on the hashes that fit."""
    ledger = open_ledger(house.project / ".titlebout" / ENVIRONMENT)
    chain = ledger.chain(MODEL)
    previous = chain[sequence - 2].hash if sequence > 1 else FIRST_PREVIOUS_HASH
    with ledger.engine.begin() as connection:
        for stored in chain[sequence - 1 :]:
            entry = stored.entry.model_copy(update={"previous_hash": previous})
            connection.execute(
                text(
                    "UPDATE ledger SET previous_hash = :previous, hash = :hash WHERE sequence = :sequence"
                ),
                {"previous": previous, "hash": entry.digest, "sequence": stored.sequence},
            )
            previous = entry.digest


@pytest.mark.parametrize(
    ("forgery", "fault"),
    [
        (["UPDATE ledger SET evidence = '{}' WHERE sequence = 1"], "entry 1 was altered"),
        (["UPDATE ledger SET evidence = '\"\\ud800\"' WHERE sequence = 2"], "entry 2 was altered"),
        (["UPDATE ledger SET to_release = x'00' WHERE sequence = 2"], "entry 2 was altered"),
        (["DELETE FROM ledger WHERE sequence = 2"], "entry 2 is missing"),
        (["DELETE FROM ledger WHERE sequence = 1"], "entry 1 is missing"),
        (
            ["DELETE FROM ledger WHERE sequence >= 5"],
            "entry 5 is missing: the chain ended with entry 5",
        ),
        (["DELETE FROM ledger"], "entry 1 is missing: the chain ended with entry 5"),
        (
            [
                "UPDATE ledger SET sequence = 99 WHERE sequence = 2",
                "UPDATE ledger SET sequence = 2 WHERE sequence = 3",
                "UPDATE ledger SET sequence = 3 WHERE sequence = 99",
            ],
            "entry 2 was altered",
        ),
        (
            [
                "INSERT INTO ledger SELECT model, 6, 'address/9', time, kind, from_release, to_release, by, reason, evidence, hash, "
                "'f' FROM ledger WHERE sequence = 5"
            ],
            "entry 6 was altered",
        ),
    ],
)
def test_whatever_was_done_to_the_ledger_is_found(past, forgery, fault):
    """Altered, removed (first, middle, tail, all), reordered, inserted: the first bad entry is named."""
    sql(past, *forgery)
    faults = verify(past.project, ENVIRONMENT)
    assert faults, "the forgery went unnoticed"
    assert fault in faults[0]


@pytest.mark.parametrize("column", sorted(StoredEntry.model_fields))
def test_no_column_is_altered_unnoticed(past, column):
    """Whichever holds what no ledger ever wrote: verify names the entry, a release refuses to go on from it, and history never crashes."""
    sql(past, f"UPDATE ledger SET {column} = '{{' WHERE sequence = 3")  # noqa: S608  a column's own name
    faults = verify(past.project, ENVIRONMENT)
    assert faults[0].startswith(f"{MODEL}: entry 3 ")
    past.challenger(name="c")
    with pytest.raises(IntegrityError, match="entry 3"):
        past.release()
    with contextlib.suppress(IntegrityError):
        history(past.project, MODEL, ENVIRONMENT, at="2999-01-01")


def lost(release, *, entry, known):
    return (
        f"a change is missing before entry {entry}: that entry took the traffic from release {release}, and by the entries before it "
        f"{known} was live; when {release} came to be live, and by whom, is in no entry"
    )


def move(ledger, kind, before, after, *, key=None, time="2026-01-01T00:00:00+00:00"):
    """With the key that a writer gives it, unless another is given."""
    chain = ledger.chain(MODEL)
    switched = [entry.key for entry in chain if entry.kind == "switched"]
    if key is None and kind == "settled" and switched:
        key = f"{switched[-1]}/settled"
    if key is None and kind == "overridden":
        key = f"k{len(chain) + 1}/overridden"
    said = {"key": key or f"k{len(chain)}", "time": time, "by": "ci", "reason": "", "evidence": {}}
    return ledger.append(MODEL, kind=kind, from_release=before, to_release=after, **said)


@pytest.mark.parametrize(
    ("moves", "faults"),
    [
        (
            [
                ("switched", None, "a"),
                ("settled", None, "a"),
                ("overridden", "a", "b"),
                ("switched", "a", "b"),
                ("settled", "a", "b"),
            ],
            [],
        ),
        (
            [
                ("switched", None, "a"),
                ("switched", "a", "b"),
                ("rolled_back", "b", "a"),
                ("rolled_back", "a", "b"),
            ],
            [],
        ),
        ([("switched", None, "a"), ("switched", None, "b"), ("switched", "b", "c")], []),
        (
            [
                ("switched", None, "a"),
                ("settled", None, "a"),
                ("switched", "b", "c"),
                ("rolled_back", "c", "b"),
                ("rolled_back", "a", "c"),
            ],
            [lost("b", entry=3, known="release a"), lost("a", entry=5, known="release b")],
        ),
        ([("switched", "a", "b")], [lost("a", entry=1, known="nothing")]),
    ],
)
def test_a_release_that_was_live_by_no_entry_is_found(tmp_path, moves, faults):
    """Every move goes on from the one before: first release, override, rollback, a Service made anew do; a lost release leaves a gap."""
    ledger, storage = open_ledger(tmp_path), Storage(str(tmp_path / "storage"))
    for kind, before, after in moves:
        move(ledger, kind, before, after)
    read_tail(storage, ledger, MODEL).note_end()
    assert list(chain_faults(MODEL, ledger.chain(MODEL), storage)) == faults


FIRST = ("switched", None, "a")
MISPLACED = {
    "settled first": (
        [("settled", None, "a")],
        "entry 1 settles a switch to release a that no entry before it tells of",
    ),
    "settled after a rollback": (
        [FIRST, ("switched", "a", "b"), ("rolled_back", "b", "a"), ("settled", "a", "b")],
        "entry 4 settles release b while a was live",
    ),
    "settled for another release": (
        [FIRST, ("settled", None, "b")],
        "entry 2 settles a switch to release b",
    ),
    "a rollback settled": (
        [
            FIRST,
            ("switched", "a", "b"),
            ("rolled_back", "b", "a"),
            ("settled", "b", "a", "k2/settled"),
        ],
        "entry 4 settles",
    ),
    "settled by another key": (
        [FIRST, ("settled", None, "a", "k9/settled")],
        "entry 2 settles a switch to release a that no entry",
    ),
    "overridden last": (
        [FIRST, ("overridden", "a", "b")],
        "entry 2 overrides a verdict, and the entry after it is not the switch to release b",
    ),
    "overridden before another switch": (
        [FIRST, ("overridden", "a", "b"), ("switched", "a", "c")],
        "entry 2 overrides a verdict, and the entry after it is not the switch to release b",
    ),
    "overridden before a rollback": (
        [FIRST, ("switched", "a", "b"), ("overridden", "b", "a"), ("rolled_back", "b", "a")],
        "entry 3 overrides a verdict",
    ),
    "a rollback to what was never live": (
        [FIRST, ("rolled_back", "a", "b")],
        "entry 2 gives the traffic back to release b, which never had it",
    ),
}


@pytest.mark.parametrize("case", MISPLACED)
def test_an_entry_may_follow_only_what_it_is_about(tmp_path, case):
    """With fitting hashes and a noted end: an invented word, settlement or rollback is named by its place."""
    entries, fault = MISPLACED[case]
    ledger, storage = open_ledger(tmp_path), Storage(str(tmp_path / "storage"))
    for kind, before, after, *key in entries:
        move(ledger, kind, before, after, key=key[0] if key else None)
    read_tail(storage, ledger, MODEL).note_end()
    found = list(chain_faults(MODEL, ledger.chain(MODEL), storage))
    assert any(fault in one for one in found), found


class InMemory:
    """A chain without a database: its hashes are not asked for."""

    def __init__(self):
        self.entries = []

    def chain(self, model):
        return self.entries

    def append(self, model, **said):
        self.entries.append(
            StoredEntry(
                model=model, sequence=len(self.entries) + 1, previous_hash="", hash="", **said
            )
        )


KINDS = ("switched", "settled", "rolled_back", "overridden")


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.sampled_from(["release", "override", "rollback", "settle"]), max_size=12),
    data=st.data(),
)
def test_whatever_a_writer_writes_holds_and_one_more_entry_of_any_kind_does_not(steps, data):
    """Any history that releases and rollbacks can make is without fault; an entry of another kind put at its end is one."""
    ledger, live, number, settled = InMemory(), [None], 0, True
    for step in steps:
        if step in ("release", "override"):
            number += 1
            if step == "override":
                move(ledger, "overridden", live[-1], f"r{number}")
            move(ledger, "switched", live[-1], f"r{number}")
            live, settled = [*live, f"r{number}"], False
        elif step == "settle" and not settled:
            move(ledger, "settled", live[-2], live[-1])
            settled = True
        elif step == "rollback" and live[-1] and live[-2]:
            move(ledger, "rolled_back", live[-1], live[-2])
            live, settled = [*live[:-2], live[-2]], True
    assert list(misplaced(ledger.chain(MODEL))) == []
    kind = data.draw(st.sampled_from(KINDS))
    move(
        ledger,
        kind,
        "invented",
        data.draw(st.sampled_from(["invented", "r1", "r2"])),
        key="invented",
    )
    assert list(misplaced(ledger.chain(MODEL)))


def test_a_rewritten_chain_is_found_by_its_noted_end(past):
    """Even with every hash made to fit again: the end in storage and the traffic's own record say otherwise."""
    sql(past, "UPDATE ledger SET by = 'nobody' WHERE sequence = 3")
    rehash_from(past, 3)
    faults = verify(past.project, ENVIRONMENT)
    assert "entry 5 is not the one that was noted as the chain's end" in faults[0]
    assert any("entry 3 says otherwise than change 2" in fault for fault in faults)


def test_an_entry_put_at_the_end_with_a_fitting_hash_is_found(past):
    """The traffic never made that change."""
    ledger = open_ledger(past.project / ".titlebout" / ENVIRONMENT)
    head = ledger.newest(MODEL)
    fake = head.entry.model_copy(
        update={"sequence": head.sequence + 1, "key": "address/9", "previous_hash": head.hash}
    )
    ledger.append(MODEL, **fake.model_dump(exclude={"model", "sequence", "previous_hash"}))
    assert any(
        "entry 6 (rolled_back) is about nothing" in fault
        for fault in verify(past.project, ENVIRONMENT)
    )


def invent(house, kind, *, before, after, key, evidence=None, by="mallory"):
    """What somebody writes who has the code and the database, and the storage that holds the chain's end."""
    ledger = open_ledger(house.project / ".titlebout" / ENVIRONMENT)
    said = {
        "time": "2099-01-01T00:00:00+00:00",
        "by": by,
        "reason": "trust me",
        "evidence": evidence or {},
    }
    ledger.append(MODEL, key=key, kind=kind, from_release=before, to_release=after, **said)
    read_tail(house.storage, ledger, MODEL).note_end()


def test_an_invented_settlement_is_found(house):
    """A release whose bake never ended is said to be settled, with the right key, way and hashes: the traffic's record knows of none."""
    house.released("a")
    second = house.challenger(name="b")
    with pytest.raises(KeyboardInterrupt):
        house.release(progress=lambda line: interrupt(line, at="bake"))
    live = house.slots.live()
    key = f"{house.slots.ports.address}/{live.number}/settled"
    assert verify(house.project, ENVIRONMENT) == []
    invent(house, "settled", before=live.from_release, after=live.release, key=key)
    assert (
        f"{MODEL}: entry 4 (settled) is about nothing that the traffic's own record tells of"
        in verify(house.project, ENVIRONMENT)
    )
    assert second.version == "2"


def interrupt(line, *, at):
    if line.startswith(at):
        raise KeyboardInterrupt


def written(house):
    return [
        stored.entry
        for stored in open_ledger(house.project / ".titlebout" / ENVIRONMENT).chain(MODEL)
    ]


def rebuild(house, entries):
    """Delete the ledger and the note of its end, and write these entries as a new chain, with such a note."""
    (house.project / ".titlebout" / ENVIRONMENT / "ledger.db").unlink()
    house.storage.filesystem.rm(house.storage.address("ledger"), recursive=True)
    ledger = open_ledger(house.project / ".titlebout" / ENVIRONMENT)
    for entry in entries:
        ledger.append(MODEL, **entry.model_dump(exclude={"model", "sequence", "previous_hash"}))
    read_tail(house.storage, ledger, MODEL).note_end()


def test_an_invented_override_is_found(past):
    """A switch on a verdict is said to have been a person's word: the release's own record names no person."""
    entries = written(past)
    switch = entries[2]
    word = switch.model_copy(
        update={
            "key": f"{switch.key}/overridden",
            "kind": "overridden",
            "by": "ann",
            "evidence": {},
        }
    )
    rebuild(past, [*entries[:2], word, *entries[2:]])
    faults = verify(past.project, ENVIRONMENT)
    assert any("entry 3 overrides a verdict, but release" in fault for fault in faults), faults
    assert any("entry 3 (overridden) is about nothing" in fault for fault in faults), faults


def test_forged_evidence_is_found(past):
    """Better figures for the tests, with every hash and the chain's end made to fit: the traffic's own record has the true ones."""
    entries = written(past)
    entries[2] = entries[2].model_copy(update={"evidence": {**entries[2].evidence, "tests": []}})
    rebuild(past, entries)
    faults = verify(past.project, ENVIRONMENT)
    assert any(
        "entry 3 says otherwise than change 2 of the traffic" in fault for fault in faults
    ), faults
    assert any(
        "entry 3 is not the one that was written about change 2: the ledger was made anew" in fault
        for fault in faults
    ), faults


def test_a_ledger_that_is_gone_while_a_release_is_live_is_a_fault(past):
    """The database and the note of its end are both deleted: verify says what is live, and nothing is written as if it were the first."""
    (past.project / ".titlebout" / ENVIRONMENT / "ledger.db").unlink()
    past.storage.filesystem.rm(past.storage.address("ledger"), recursive=True)
    live = past.slots.live().release[:12]
    faults = verify(past.project, ENVIRONMENT)
    assert any(
        f"release {live} is live, and the ledger has no entry" in fault for fault in faults
    ), faults
    past.challenger(name="c")
    with pytest.raises(
        IntegrityError,
        match=r"the entry about change 1 .*was written and is gone.*restore ledger\.db",
    ):
        past.release()
    assert open_ledger(past.project / ".titlebout" / ENVIRONMENT).chain(MODEL) == []


def test_a_ledger_that_was_rebuilt_after_its_deletion_is_found(past):
    """By somebody with the code, without the settlement that he wants forgotten."""
    rebuild(past, [entry for entry in written(past) if entry.sequence != 2])
    faults = verify(past.project, ENVIRONMENT)
    assert any(
        "/settled) was written and is gone: the ledger is lost" in fault for fault in faults
    ), faults
    assert any("the ledger was made anew" in fault for fault in faults), faults


def test_a_chain_never_goes_back_in_time(tmp_path):
    """The clock was set back an hour: the next entry has the time of the one before, and tells what the clock said."""
    ledger = open_ledger(tmp_path)
    move(ledger, "switched", None, "a", time="2026-01-01T12:00:00+00:00")
    late = move(ledger, "switched", "a", "b", time="2026-01-01T12:00:00+01:00")
    third = move(ledger, "rolled_back", "b", "a", time="2026-01-01T12:00:01+00:00")
    assert late.time == "2026-01-01T12:00:00+00:00"
    assert late.evidence == {
        "clock": {"said": "2026-01-01T12:00:00+01:00", "set_back_seconds": 3600.0}
    }
    assert "clock" not in third.evidence
    entries = [stored.entry for stored in ledger.chain(MODEL)]
    assert serving_at(entries, "2026-01-01T11:30") == []
    assert [entry.to_release for entry in serving_at(entries, "2026-01-01T12:00:00")] == ["b"]
    assert [entry.to_release for entry in serving_at(entries, "2026-01-01T12:00:02")] == ["a"]
    assert "the clock said 2026-01-01T12:00:00+01:00" in entry_in_words(late)
    assert list(misplaced(ledger.chain(MODEL))) == []


def test_history_is_right_after_the_clock_was_set_back(house, monkeypatch):
    """Two releases, the second on a clock that is a day behind: at the first one's time the second serves, and verify has no fault."""
    _, first = house.released("a")
    house.challenger(name="b")
    behind = timedelta(days=1)

    class Behind(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - behind

    for module in ("titlebout.rollout.embedded_slots", "titlebout.release.reconcile"):
        monkeypatch.setattr(f"{module}.datetime", Behind)
    second = house.release()
    entries = history(house.project, MODEL, ENVIRONMENT)
    assert [entry.moment for entry in entries] == sorted(entry.moment for entry in entries)
    assert (
        history(house.project, MODEL, ENVIRONMENT, at=entries[-1].time)[0].to_release
        == second.release
    )
    assert (
        history(house.project, MODEL, ENVIRONMENT, at=entries[0].time)[0].to_release
        == first.release
    )
    assert verify(house.project, ENVIRONMENT) == []


def test_a_release_refuses_to_write_after_a_chain_that_was_cut_short(past):
    """Else the next entry would hide what was removed."""
    sql(past, "DELETE FROM ledger WHERE sequence = 5")
    past.challenger(name="c")
    with pytest.raises(IntegrityError, match="entry 5 is missing"):
        past.release()


def test_a_rollback_moves_the_traffic_even_then_and_says_what_it_did_not_write(house):
    """At 3 a.m. the traffic comes first."""
    _, first = house.released("a")
    house.released("b")
    sql(house, "DELETE FROM ledger WHERE sequence = 4")
    outcome = house.rollback()
    assert house.answers_with() == first.release
    assert "the ledger was not written" in outcome.note


@pytest.mark.parametrize("folder", ["releases", "verdicts"])
def test_missing_and_altered_records_are_found(past, folder):
    """Every release and verdict that the ledger names must be there, with its digest."""
    gone, bad = past.storage.names(folder)[:2]
    past.storage.filesystem.rm(past.storage.address(folder, gone))
    past.storage.write(past.storage.read(folder, bad).replace(b'"tiny"', b'"tinx"'), folder, bad)
    faults = verify(past.project, ENVIRONMENT)
    assert f"{MODEL}: {folder}/{gone} is missing" in faults
    assert f"{MODEL}: {folder}/{bad} was altered" in faults


def test_history_tells_which_release_served_at_a_time(past):
    """Before the first none, then each from its switch on, whatever the time zone it is asked in."""
    entries = history(past.project, MODEL, ENVIRONMENT)
    moves = [entry for entry in entries if entry.kind != "settled"]
    assert history(past.project, MODEL, ENVIRONMENT, at="2000-01-01") == []
    for entry in moves:
        assert history(past.project, MODEL, ENVIRONMENT, at=entry.time) == [entry]
    assert history(past.project, MODEL, ENVIRONMENT, at="2999-01-01T00:00:00+05:00") == [moves[-1]]
    assert "was rolled back to" in entry_in_words(moves[-1])
    with pytest.raises(SpecError, match="ISO 8601"):
        history(past.project, MODEL, ENVIRONMENT, at="yesterday")
    assert canonical_json(entries[0].evidence["tests"])


def test_a_release_that_is_killed_as_it_settles_is_settled_by_the_next_command(house, monkeypatch):
    """What the traffic's own record says is written, once."""
    house.challenger(name="a")
    real, calls = reconcile.write_changes, []

    def dies(*given, **named):
        calls.append(given)
        if len(calls) == 3:  # reconcile, follow, settle
            raise KeyboardInterrupt
        real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "write_changes", dies)
        with pytest.raises(KeyboardInterrupt):
            house.release()
    assert [kind for kind, _ in house.kinds()] == ["switched"]
    assert any("has no entry `settled`" in fault for fault in verify(house.project, ENVIRONMENT))
    assert house.release().state == "already live"
    assert [kind for kind, _ in house.kinds()] == ["switched", "settled"]
    assert verify(house.project, ENVIRONMENT) == []
