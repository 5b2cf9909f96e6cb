"""Write each entry once, in one chain however many write, and find whatever was done to it."""

import contextlib
import shutil
import threading
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ledger_chain import rehash, run_sql
from support.release_project import ENVIRONMENT, MODEL, ReleaseProject

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
    """Count from 1, begin after sixty-four zeros, and use the record's digest as the hash."""
    ledger = open_ledger(tmp_path)
    first, second = write(ledger, 1), write(ledger, 2)
    assert (first.sequence, first.previous_hash) == (1, FIRST_PREVIOUS_HASH)
    assert (second.sequence, second.previous_hash) == (2, first.digest)
    assert [stored.hash for stored in ledger.chain("m")] == [first.digest, second.digest]


def test_the_same_key_is_written_once(tmp_path):
    """Return the entry that is there, whatever else is said the second time."""
    ledger = open_ledger(tmp_path)
    assert write(ledger, 1) == write(ledger, 1, kind="rolled_back")
    assert len(ledger.chain("m")) == 1


def test_many_writers_make_one_chain(tmp_path):
    """Let four writers write the same keys in other orders: every key once, no fork, no gap."""
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
def project_with_history(tmp_path_factory):
    """Make two releases and a rollback: switched, settled, switched, settled, rolled_back."""
    release_project = ReleaseProject(tmp_path_factory.mktemp("project_with_history")).build()
    try:
        release_project.released("a")
        release_project.released("b")
        release_project.rollback()
    finally:
        release_project.close()
    assert verify(release_project.project, ENVIRONMENT) == []
    return release_project


@pytest.fixture
def project_copy(project_with_history, tmp_path):
    """Make a copy for every test that tampers with it."""
    copy = ReleaseProject(
        shutil.copytree(project_with_history.project, tmp_path / "copy", symlinks=True)
    )
    yield copy
    copy.close()


def ledger_of(release_project):
    return open_ledger(release_project.project / ".titlebout" / ENVIRONMENT)


def sql(release_project, *statements):
    run_sql(ledger_of(release_project), *statements)


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
                "INSERT INTO ledger SELECT model, 6, 'address/9', time, kind, from_release, "
                "to_release, by, reason, evidence, hash, 'f' FROM ledger WHERE sequence = 5"
            ],
            "entry 6 was altered",
        ),
    ],
)
def test_whatever_was_done_to_the_ledger_is_found(project_copy, forgery, fault):
    """Alter, remove (first, middle, tail, all), reorder, insert: the first bad entry is named."""
    sql(project_copy, *forgery)
    faults = verify(project_copy.project, ENVIRONMENT)
    assert faults, "the forgery went unnoticed"
    assert fault in faults[0]


@pytest.mark.parametrize("column", sorted(StoredEntry.model_fields))
def test_no_column_is_altered_unnoticed(project_copy, column):
    """Write into one column what no ledger writes: verify and the next release name the entry.

    History does not crash.
    """
    sql(project_copy, f"UPDATE ledger SET {column} = '{{' WHERE sequence = 3")  # noqa: S608  a column's own name
    faults = verify(project_copy.project, ENVIRONMENT)
    assert faults[0].startswith(f"{MODEL}: entry 3 ")
    project_copy.challenger(name="c")
    with pytest.raises(IntegrityError, match="entry 3"):
        project_copy.release()
    with contextlib.suppress(IntegrityError):
        history(project_copy.project, MODEL, ENVIRONMENT, at="2999-01-01")


def lost(release, *, entry, known):
    return (
        f"a change is missing before entry {entry}: that entry took the traffic from "
        f"release {release}, and by the entries before it {known} was live; "
        f"when {release} came to be live, and by whom, is in no entry"
    )


def move(ledger, kind, before, after, *, key=None, time="2026-01-01T00:00:00+00:00"):
    """Append an entry with the key that a writer gives it, or with the given one."""
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
    """Name a move that does not go on from the one before; a Service made anew is no fault."""
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
    """Name an invented override, settlement or rollback by its place, though its hash fits."""
    entries, fault = MISPLACED[case]
    ledger, storage = open_ledger(tmp_path), Storage(str(tmp_path / "storage"))
    for kind, before, after, *key in entries:
        move(ledger, kind, before, after, key=key[0] if key else None)
    read_tail(storage, ledger, MODEL).note_end()
    found = list(chain_faults(MODEL, ledger.chain(MODEL), storage))
    assert any(fault in one for one in found), found


class InMemory:
    """Keep a chain without a database and without hashes."""

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
    """Accept any history of releases and rollbacks; name one more entry of any kind."""
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


def test_a_rewritten_chain_is_found_by_its_noted_end(project_copy):
    """Find it with fitting hashes, too: the anchor and the traffic's own record say otherwise."""
    sql(project_copy, "UPDATE ledger SET by = 'nobody' WHERE sequence = 3")
    rehash(ledger_of(project_copy), MODEL, since=3)
    faults = verify(project_copy.project, ENVIRONMENT)
    assert "entry 5 is not the one that was noted as the chain's end" in faults[0]
    assert any("entry 3 says otherwise than change 2" in fault for fault in faults)


def test_an_entry_put_at_the_end_with_a_fitting_hash_is_found(project_copy):
    """Name an entry about a change that the traffic never made."""
    ledger = ledger_of(project_copy)
    head = ledger.newest(MODEL)
    fake = head.entry.model_copy(
        update={"sequence": head.sequence + 1, "key": "address/9", "previous_hash": head.hash}
    )
    ledger.append(MODEL, **fake.model_dump(exclude={"model", "sequence", "previous_hash"}))
    assert any(
        "entry 6 (rolled_back) is about nothing" in fault
        for fault in verify(project_copy.project, ENVIRONMENT)
    )


def invent(release_project, kind, *, before, after, key, evidence=None, by="mallory"):
    """Write an entry as somebody does who has the code, the database and the storage."""
    ledger = ledger_of(release_project)
    said = {
        "time": "2099-01-01T00:00:00+00:00",
        "by": by,
        "reason": "trust me",
        "evidence": evidence or {},
    }
    ledger.append(MODEL, key=key, kind=kind, from_release=before, to_release=after, **said)
    read_tail(release_project.storage, ledger, MODEL).note_end()


def test_an_invented_settlement_is_found(release_project):
    """Settle a release whose bake never ended: the traffic's own record does not tell of it."""
    release_project.released("a")
    second = release_project.challenger(name="b")
    with pytest.raises(KeyboardInterrupt):
        release_project.release(progress=lambda line: interrupt(line, at="bake"))
    live = release_project.slots.live()
    key = f"{release_project.slots.ports.address}/{live.number}/settled"
    assert verify(release_project.project, ENVIRONMENT) == []
    invent(release_project, "settled", before=live.from_release, after=live.release, key=key)
    assert (
        f"{MODEL}: entry 4 (settled) is about nothing that the traffic's own record tells of"
        in verify(release_project.project, ENVIRONMENT)
    )
    assert second.version == "2"


def interrupt(line, *, at):
    if line.startswith(at):
        raise KeyboardInterrupt


def written(release_project):
    return [stored.entry for stored in ledger_of(release_project).chain(MODEL)]


def rebuild(release_project, entries):
    """Delete ledger and anchor, and write these entries as a new chain with an anchor."""
    (release_project.project / ".titlebout" / ENVIRONMENT / "ledger.db").unlink()
    release_project.storage.filesystem.rm(release_project.storage.address("ledger"), recursive=True)
    ledger = ledger_of(release_project)
    for entry in entries:
        ledger.append(MODEL, **entry.model_dump(exclude={"model", "sequence", "previous_hash"}))
    read_tail(release_project.storage, ledger, MODEL).note_end()


def test_an_invented_override_is_found(project_copy):
    """Call a switch on a verdict an override: the release's own record has none."""
    entries = written(project_copy)
    switch = entries[2]
    override = switch.model_copy(
        update={
            "key": f"{switch.key}/overridden",
            "kind": "overridden",
            "by": "ann",
            "evidence": {},
        }
    )
    rebuild(project_copy, [*entries[:2], override, *entries[2:]])
    faults = verify(project_copy.project, ENVIRONMENT)
    assert any(
        "entry 3 overrides a verdict, but the record of release" in fault for fault in faults
    ), faults
    assert any("entry 3 (overridden) is about nothing" in fault for fault in faults), faults


def test_forged_evidence_is_found(project_copy):
    """Forge the tests' figures, hashes and anchor: the traffic's own record has the true ones."""
    entries = written(project_copy)
    entries[2] = entries[2].model_copy(update={"evidence": {**entries[2].evidence, "tests": []}})
    rebuild(project_copy, entries)
    faults = verify(project_copy.project, ENVIRONMENT)
    assert any(
        "entry 3 says otherwise than change 2 of the traffic" in fault for fault in faults
    ), faults
    assert any(
        "entry 3 is not the one that was written about change 2: the ledger was made anew" in fault
        for fault in faults
    ), faults


def test_a_ledger_that_is_gone_while_a_release_is_live_is_a_fault(project_copy):
    """Delete database and anchor: verify says what is live, and a release writes nothing."""
    (project_copy.project / ".titlebout" / ENVIRONMENT / "ledger.db").unlink()
    project_copy.storage.filesystem.rm(project_copy.storage.address("ledger"), recursive=True)
    live = project_copy.slots.live().release[:12]
    faults = verify(project_copy.project, ENVIRONMENT)
    assert any(
        f"release {live} is live, and the ledger has no entry" in fault for fault in faults
    ), faults
    project_copy.challenger(name="c")
    with pytest.raises(
        IntegrityError,
        match=r"the entry about change 1 .*was written and is gone.*restore ledger\.db",
    ):
        project_copy.release()
    assert ledger_of(project_copy).chain(MODEL) == []


def test_a_ledger_that_was_rebuilt_after_its_deletion_is_found(project_copy):
    """Rebuild it without one settlement, as somebody with the code can."""
    rebuild(project_copy, [entry for entry in written(project_copy) if entry.sequence != 2])
    faults = verify(project_copy.project, ENVIRONMENT)
    assert any(
        "/settled) was written and is gone: the ledger is lost" in fault for fault in faults
    ), faults
    assert any("the ledger was made anew" in fault for fault in faults), faults


def test_a_chain_never_goes_back_in_time(tmp_path):
    """Set the clock back: the next entry has the time of the one before, and tells the clock's."""
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


def test_history_is_right_after_the_clock_was_set_back(release_project, monkeypatch):
    """Release on a clock that is a day behind: history and verify are right all the same."""
    _, first = release_project.released("a")
    release_project.challenger(name="b")
    behind = timedelta(days=1)

    class Behind(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - behind

    for module in ("titlebout.rollout.embedded_slots", "titlebout.release.reconcile"):
        monkeypatch.setattr(f"{module}.datetime", Behind)
    second = release_project.release()
    entries = history(release_project.project, MODEL, ENVIRONMENT)
    assert [entry.moment for entry in entries] == sorted(entry.moment for entry in entries)
    assert (
        history(release_project.project, MODEL, ENVIRONMENT, at=entries[-1].time)[0].to_release
        == second.release
    )
    assert (
        history(release_project.project, MODEL, ENVIRONMENT, at=entries[0].time)[0].to_release
        == first.release
    )
    assert verify(release_project.project, ENVIRONMENT) == []


def test_a_release_refuses_to_write_after_a_chain_that_was_cut_short(project_copy):
    """Refuse, since the next entry would hide what was removed."""
    sql(project_copy, "DELETE FROM ledger WHERE sequence = 5")
    project_copy.challenger(name="c")
    with pytest.raises(IntegrityError, match="entry 5 is missing"):
        project_copy.release()


def test_a_rollback_moves_the_traffic_even_then_and_says_what_it_did_not_write(release_project):
    """Move the traffic first, and say that the ledger was not written."""
    _, first = release_project.released("a")
    release_project.released("b")
    sql(release_project, "DELETE FROM ledger WHERE sequence = 4")
    outcome = release_project.rollback()
    assert release_project.answers_with() == first.release
    assert "the ledger was not written" in outcome.note


@pytest.mark.parametrize("folder", ["releases", "verdicts"])
def test_missing_and_altered_records_are_found(project_copy, folder):
    """Name every release and verdict of the ledger that is missing or has another digest."""
    gone, bad = project_copy.storage.names(folder)[:2]
    project_copy.storage.filesystem.rm(project_copy.storage.address(folder, gone))
    project_copy.storage.write(
        project_copy.storage.read(folder, bad).replace(b'"tiny"', b'"tinx"'), folder, bad
    )
    faults = verify(project_copy.project, ENVIRONMENT)
    assert f"{MODEL}: {folder}/{gone} is missing" in faults
    assert f"{MODEL}: {folder}/{bad} was altered" in faults


def test_history_tells_which_release_served_at_a_time(project_copy):
    """Return none before the first, then each from its switch on, in any time zone."""
    entries = history(project_copy.project, MODEL, ENVIRONMENT)
    moves = [entry for entry in entries if entry.kind != "settled"]
    assert history(project_copy.project, MODEL, ENVIRONMENT, at="2000-01-01") == []
    for entry in moves:
        assert history(project_copy.project, MODEL, ENVIRONMENT, at=entry.time) == [entry]
    assert history(project_copy.project, MODEL, ENVIRONMENT, at="2999-01-01T00:00:00+05:00") == [
        moves[-1]
    ]
    assert "was rolled back to" in entry_in_words(moves[-1])
    with pytest.raises(SpecError, match="ISO 8601"):
        history(project_copy.project, MODEL, ENVIRONMENT, at="yesterday")
    assert canonical_json(entries[0].evidence["tests"])


def test_a_release_that_is_killed_as_it_settles_is_settled_by_the_next_command(
    release_project, monkeypatch
):
    """Write once what the traffic's own record says."""
    release_project.challenger(name="a")
    real, calls = reconcile.write_changes, []

    def dies(*given, **named):
        calls.append(given)
        if len(calls) == 3:  # reconcile, follow, settle
            raise KeyboardInterrupt
        real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "write_changes", dies)
        with pytest.raises(KeyboardInterrupt):
            release_project.release()
    assert [kind for kind, _ in release_project.kinds()] == ["switched"]
    assert any(
        "has no entry `settled`" in fault for fault in verify(release_project.project, ENVIRONMENT)
    )
    assert release_project.release().state == "already live"
    assert [kind for kind, _ in release_project.kinds()] == ["switched", "settled"]
    assert verify(release_project.project, ENVIRONMENT) == []
