"""Write, note and refuse after a long history of the traffic as after a short one."""

import shutil

import pytest
from support.ledger_chain import run_sql

from titlebout.ledger import SETTLED
from titlebout.ledger.database import open_ledger
from titlebout.release.reconcile import note_settled, write_changes
from titlebout.rollout import Change, EmbeddedSlots, Ports
from titlebout.rollout.traffic import Traffic
from titlebout.spec import IntegrityError, Release
from titlebout.storage import Storage

MODEL, CHANGES = "tiny", 30
RECORD = Release(
    model=MODEL,
    model_digest="0" * 64,
    package_digest="0" * 64,
    data_digest="0" * 64,
    code_version="tests",
    configuration_digest="0" * 64,
    threshold=None,
    verdict="0" * 64,
    override=None,
)


class TrafficHistory:
    """Move a model's traffic without servers, and write its ledger."""

    def __init__(self, home):
        self.home, self.storage = home, Storage(str(home / "storage"))
        self.ledger = open_ledger(home)
        self.slots = EmbeddedSlots(home, Ports(address="a", live=1, blue=2, green=3))

    def move(self, *, settle=True):
        live = self.slots.live()
        change = Change(
            number=live.number + 1 if live else 1,
            slot="green" if live and live.slot == "blue" else "blue",
            release=f"r{live.number + 1 if live else 1}",
            from_release=live.release if live else None,
            kind="switched",
            by="ci",
            reason="it won",
            time="2026-01-01T00:00:00+00:00",
            evidence={},
        )
        self.slots.traffic.move(change, dial="127.0.0.1:2")
        if settle:
            note_settled(self.slots, change, by="ci", reason="the bake went well")

    def write(self):
        write_changes(
            self.ledger,
            self.slots,
            model=MODEL,
            subject=MODEL,
            storage=self.storage,
            release_record=lambda _: RECORD,
        )

    def keys(self):
        return [stored.key for stored in self.ledger.chain(MODEL)]


def all_keys(changes):
    return [key for n in range(1, changes + 1) for key in (f"a/{n}", f"a/{n}{SETTLED}")]


@pytest.fixture
def traffic_history(tmp_path):
    """Make thirty settled releases, each written before the next."""
    traffic_history = TrafficHistory(tmp_path)
    for _ in range(CHANGES):
        traffic_history.move()
        traffic_history.write()
    return traffic_history


def test_every_change_is_written_once(traffic_history):
    """Write a switch after many, and its settlement later; a second look adds nothing."""
    traffic_history.move(settle=False)
    traffic_history.write()
    note_settled(
        traffic_history.slots, traffic_history.slots.live(), by="ci", reason="the bake went well"
    )
    traffic_history.write()
    traffic_history.write()
    assert traffic_history.keys() == all_keys(CHANGES + 1)


def test_changes_that_no_writer_saw_are_all_written(traffic_history):
    """Write several switches, in their order, after the ledger could not be written."""
    for _ in range(3):
        traffic_history.move()
    traffic_history.write()
    assert traffic_history.keys() == all_keys(CHANGES + 3)


def test_a_settlement_is_written_though_the_traffic_has_moved_on(traffic_history):
    """Kill a release as it settles, and switch to the next one before anybody writes."""
    traffic_history.move(settle=False)
    traffic_history.write()
    note_settled(
        traffic_history.slots, traffic_history.slots.live(), by="ci", reason="the bake went well"
    )
    traffic_history.move(settle=False)
    traffic_history.write()
    assert traffic_history.keys() == [*all_keys(CHANGES + 1), f"a/{CHANGES + 2}"]


def test_notes_that_a_killed_release_never_made_are_made(traffic_history):
    """Delete the notes of the last three changes, whose entries are there."""
    for number in range(CHANGES - 2, CHANGES + 1):
        (traffic_history.slots.traffic.folder / str(number) / "recorded.json").unlink()
    traffic_history.write()
    assert traffic_history.keys() == all_keys(CHANGES)
    assert len(traffic_history.slots.traffic.recorded(CHANGES - 1).hashes) == 2


def test_a_lost_ledger_is_refused_and_its_first_lost_entry_named(traffic_history):
    """Delete all entries and the anchor: nothing is written as if it were the first."""
    run_sql(traffic_history.ledger, "DELETE FROM ledger")
    shutil.rmtree(traffic_history.home / "storage")
    with pytest.raises(IntegrityError, match=r"the entry about change 1 .*was written and is gone"):
        traffic_history.write()
    assert traffic_history.keys() == []


def test_an_earlier_entry_that_the_switch_goes_on_from_is_missing(traffic_history):
    """Remove the last switch's entry, which lies before all that is verified again."""
    for _ in range(20):  # each adds an entry that is about no change of the traffic
        traffic_history.ledger.append(
            MODEL,
            key=f"invented{len(traffic_history.keys())}",
            time="2026-01-01T00:00:00+00:00",
            kind="switched",
            from_release=None,
            to_release="r",
            by="mallory",
            reason="",
            evidence={},
        )
        traffic_history.write()
    run_sql(traffic_history.ledger, "DELETE FROM ledger WHERE key = 'a/30'")
    with pytest.raises(
        IntegrityError, match=r"the entry about change 30 .*was written and is gone"
    ):
        traffic_history.write()


def test_after_its_notes_were_deleted_a_ledger_is_written_again(traffic_history):
    """Do what docs/release.md says of a ledger without a backup."""
    run_sql(traffic_history.ledger, "DELETE FROM ledger")
    shutil.rmtree(traffic_history.home / "storage")
    for note in traffic_history.slots.traffic.folder.glob("*/recorded.json"):
        note.unlink()
    traffic_history.write()
    assert traffic_history.keys() == all_keys(CHANGES)


def test_a_switch_reads_a_bounded_number_of_changes(traffic_history, monkeypatch):
    """Read two folders of thirty: the newest with a note, and the one after it."""
    read, folders = Traffic._folder_of, set()

    def noting(traffic, number):
        folders.add(number)
        return read(traffic, number)

    traffic_history.move()
    monkeypatch.setattr(Traffic, "_folder_of", noting)
    traffic_history.write()
    assert folders == {CHANGES, CHANGES + 1}
