"""Time the ledger's part of a switch and of a registrar's sighting, in a short and a long ledger.

.venv/bin/python benchmarks/ledger.py --before FOLDER

FOLDER holds the `src` of an older commit: `git archive COMMIT src | tar -x -C FOLDER`. The same
script measures it in a process of its own. Without --before, only the code of today is measured.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from titlebout.ledger.database import Ledger
from titlebout.registrar.sighting import LastWrite, Sighting
from titlebout.registrar.write_entries import write
from titlebout.release.reconcile import write_changes
from titlebout.rollout import Change, EmbeddedSlots, Ports, Recorded, Settled
from titlebout.rollout.kubernetes import Earlier, Settlement, Statement
from titlebout.spec import FIRST_PREVIOUS_HASH, LedgerEntry, Release, canonical_json
from titlebout.storage import Storage

MODEL, ENTRIES_OF_A_RELEASE = "flights", 2  # switched, settled
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
EVIDENCE = {"tests": [{"name": name, "passed": True, "p99_ms": 12.5} for name in "abcde"]}
INSERT = (
    "INSERT INTO ledger (model, sequence, key, time, kind, from_release, to_release, by, reason, "
    "evidence, previous_hash, hash) VALUES (:model, :sequence, :key, :time, :kind, "
    ":from_release, :to_release, :by, :reason, :evidence, :previous_hash, :hash)"
)


def main() -> None:
    """Print the medians of today's code, and of the code before if it is given."""
    arguments = parsed()
    if arguments.code == "now":
        sizes = " | ".join(f"{entries:,} entries, ms" for entries in arguments.entries)
        print(f"code | work | {sizes} | ratio", flush=True)
    measure(arguments, code=arguments.code)
    if arguments.before:
        measure_before(arguments)


def parsed() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[10, 100_000])
    parser.add_argument("--times", type=int, default=40, help="of each work; the median is shown")
    parser.add_argument("--times-before", type=int, default=1)
    parser.add_argument("--works", nargs="+", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--before", type=Path, help="a folder with an older commit's src")
    parser.add_argument("--code", default="now", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_before(arguments: argparse.Namespace) -> None:
    """Run this script on the older commit's code."""
    command = [sys.executable, __file__, "--times", str(arguments.times_before)]
    command += ["--code", "before", "--works", *arguments.works]
    command += ["--entries", *map(str, arguments.entries)]
    variables = {**os.environ, "PYTHONPATH": str(arguments.before.resolve() / "src")}
    subprocess.run(command, env=variables, check=True)


def measure(arguments: argparse.Namespace, *, code: str) -> None:
    """Print the median milliseconds of each work, by number of entries; they take turns."""
    for work in arguments.works:
        with tempfile.TemporaryDirectory() as folder:
            scenes = [WORKS[work](Path(folder) / str(n), n) for n in arguments.entries]
            for scene in scenes:
                scene.work()  # verifies the chain and notes its end, as every write did until then
            rounds = [[scene.work() for scene in scenes] for _ in range(arguments.times)]
            medians = [statistics.median(one) * 1000 for one in zip(*rounds, strict=True)]
            figures = " | ".join(f"{median:,.1f}" for median in medians)
            print(f"{code} | {work} | {figures} | {medians[-1] / medians[0]:,.2f}", flush=True)


class Embedded:
    """Measure one model on this machine: the traffic's folders of changes, and a ledger of them."""

    def __init__(self, home: Path, entries: int) -> None:
        home.mkdir()
        self.slots = EmbeddedSlots(home, Ports(address="address", live=1, blue=2, green=3))
        self.ledger, self.storage = open_both(home)
        chain = Chain(self.ledger)
        for number in range(1, entries // ENTRIES_OF_A_RELEASE + 1):
            change, key = change_of(number), f"address/{number}"
            settled = Settled(by="ci", reason="the bake went well", time=change.time)
            hashes = {
                key: chain.add(change, key, {"slot": change.slot, **change.evidence}),
                f"{key}/settled": chain.add(change, f"{key}/settled", {}, settled=settled),
            }
            folder = self.slots.traffic.folder / str(number)
            folder.mkdir(parents=True)  # as Traffic.move writes it, without waiting for the disk
            (folder / "change.json").write_text(change.canonical_json())
            (folder / "settled.json").write_text(settled.canonical_json())
            (folder / "recorded.json").write_text(Recorded(hashes=hashes).canonical_json())
        chain.insert()
        self.number = entries // ENTRIES_OF_A_RELEASE

    def work(self) -> float:
        """Switch once. Return the seconds that the ledger took."""
        self.number += 1
        self.slots.traffic.move(change_of(self.number), dial="127.0.0.1:2")
        began = time.perf_counter()
        write_changes(
            self.ledger,
            self.slots,
            model=MODEL,
            subject=MODEL,
            storage=self.storage,
            release_record=lambda _: RECORD,
        )
        return time.perf_counter() - began


class Registrar:
    """Measure one live Service, whose last statements are kept on it, and a ledger of them."""

    def __init__(self, home: Path, entries: int) -> None:
        home.mkdir()
        self.ledger, self.storage = open_both(home)
        chain = Chain(self.ledger)
        self.told: list[Statement] = []
        for number in range(1, entries // ENTRIES_OF_A_RELEASE + 1):
            self.told.append(Statement.of(change_of(number)))
            change, key = change_of(number), f"uid/{number}"
            evidence = {"slot": change.slot, **change.evidence, "change": self.told[-1].id}
            settled = Settled(by="ci", reason="the bake went well", time=change.time)
            chain.add(change, key, evidence)
            chain.add(change, f"{key}/settled", {}, settled=settled)
        chain.insert()
        self.number = entries // ENTRIES_OF_A_RELEASE

    def work(self) -> float:
        """Sight one switch. Return the seconds that the ledger took."""
        self.number += 1
        change, before = change_of(self.number), self.told[-1]
        self.told.append(Statement.of(change))
        last_write = LastWrite(by="ci", time=change.time)
        sighting = Sighting(
            model=MODEL,
            service=f"uid/{self.number}",
            deployment="slot/1",
            slot=change.slot,
            release=change.release,
            earlier=Earlier(statements=tuple(self.told[-5:-1])),
            statement=self.told[-1],
            settlement=Settlement(
                id=before.id, by="ci", reason="the bake went well", time=before.time
            ),
            slot_write=last_write,
            release_write=last_write,
        )
        began = time.perf_counter()
        write(sighting, self.ledger, self.storage)
        return time.perf_counter() - began


class Chain:
    """Collect entries with fitting hashes, and insert them at once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.rows, self.previous = ledger, [], FIRST_PREVIOUS_HASH

    def add(
        self, change: Change, key: str, evidence: dict, *, settled: Settled | None = None
    ) -> str:
        """Add an entry. Return its hash."""
        entry = LedgerEntry(
            model=MODEL,
            sequence=len(self.rows) + 1,
            key=key,
            time=change.time,
            kind="settled" if settled else "switched",
            from_release=change.from_release,
            to_release=change.release,
            by=change.by,
            reason=settled.reason if settled else change.reason,
            evidence=evidence,
            previous_hash=self.previous,
        )
        self.previous = entry.digest
        row = {**entry.model_dump(), "evidence": canonical_json(evidence), "hash": self.previous}
        self.rows.append(row)
        return self.previous

    def insert(self) -> None:
        """Insert all entries in one transaction."""
        with self.ledger.engine.begin() as connection:
            connection.execute(text(INSERT), self.rows)


WORKS = {"switch": Embedded, "sighting": Registrar}
RECORD = Release(
    model=MODEL,
    model_digest="0" * 64,
    package_digest="0" * 64,
    data_digest="0" * 64,
    code_version="benchmark",
    configuration_digest="0" * 64,
    threshold=None,
    verdict="0" * 64,
    override=None,
)


def change_of(number: int) -> Change:
    """Return the change of this number."""
    return Change(
        number=number,
        slot="blue" if number % 2 else "green",
        release=f"{number:064x}",
        from_release=f"{number - 1:064x}" if number > 1 else None,
        kind="switched",
        by="ci",
        reason="it won",
        time=(BEGINNING + timedelta(minutes=number)).isoformat(),
        evidence=EVIDENCE,
    )


def open_both(home: Path) -> tuple[Ledger, Storage]:
    """Open an empty ledger and an empty storage."""
    return Ledger(f"sqlite:///{home / 'ledger.db'}"), Storage(str(home / "storage"))


if __name__ == "__main__":
    main()
