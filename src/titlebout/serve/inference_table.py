"""The inference table: every prediction served, appended as Parquet files by a thread of its own.

A prediction never waits for a disk or a store. Rows wait in a bounded queue; the writer takes them in batches. `close` writes what waits:
an ordinary stop loses nothing.
"""

import itertools
import logging
import os
import threading
import time
from collections import deque
from datetime import UTC, datetime

from titlebout.serve.inference_files import open_inference_files
from titlebout.serve.inference_rows import InferenceRows, Served, feature_column
from titlebout.spec import Contract

__all__ = ["InferenceTable", "Served", "feature_column"]

log = logging.getLogger("titlebout.serve")

MAX_WAITING_ROWS = 50_000  # about 60 MB; at 1,000 rows a second the disk may be away for 50 s
NAMED_CHARACTERS = 8  # of the release's id, with which a file's name begins
FLUSH_ROWS = 10_000  # a file of a few hundred kilobytes
FLUSH_SECONDS = 5.0  # how much a killed process can lose, against how many files a day has


class Counts:
    """Rows, since the process started."""

    written = dropped = failures = 0


class InferenceTable:
    def __init__(self, address: str, contract: Contract, *, release: str, slot: str) -> None:
        self._address, self._files, self._rows = address, open_inference_files(address), InferenceRows(contract, release=release, slot=slot)
        begins = f"{release[:NAMED_CHARACTERS]}-{slot}-{os.getpid()}.{time.time_ns():x}"
        self._names = (f"{begins}-{number}.parquet" for number in itertools.count())
        self._waiting: deque[Served] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self.waiting_rows, self.counts, self.fault = 0, Counts(), ""
        self._thread = threading.Thread(target=self._run, name="inference-table", daemon=True)
        self._thread.start()

    def put(self, served: Served) -> None:
        """Never waits: with the queue full, the rows are dropped and counted."""
        with self._changed:
            if self.waiting_rows + served.rows > MAX_WAITING_ROWS:
                self.counts.dropped += served.rows
                return
            self._waiting.append(served)
            self.waiting_rows += served.rows
            if self.waiting_rows >= FLUSH_ROWS:
                self._changed.notify()

    def close(self) -> None:
        """Write what waits and end the thread; what cannot be written now is counted as dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if self.waiting_rows:
            self.counts.dropped += self.waiting_rows
            log.error("inference table: %d rows lost at the stop: %s", self.waiting_rows, self.fault)

    def _run(self) -> None:
        last = False
        while not last:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or (self.waiting_rows >= FLUSH_ROWS and not self.fault), FLUSH_SECONDS)
                last = self._closing
            self._flush()

    def _flush(self) -> None:
        """File after file, until nothing waits or the disk refuses; then the rows go on waiting for the next turn."""
        while batch := self._next_batch():
            try:
                self._write(batch)
            except OSError as error:
                self._say_fault(str(error))
                return
            self._take(batch)
            self.counts.written += sum(served.rows for served in batch)
            self.fault = ""

    def _say_fault(self, fault: str) -> None:
        self.counts.failures += 1
        if not self.fault:
            log.error("inference table: cannot write to %s: %s; predictions go on, %d rows wait", self._address, fault, self.waiting_rows)
        self.fault = fault

    def _next_batch(self) -> list[Served]:
        """The oldest requests, all of one day, of about FLUSH_ROWS rows; they stay in the queue until they are on disk."""
        with self._changed:
            waiting = list(self._waiting)
        batch: list[Served] = []
        rows = 0
        for served in waiting:
            if batch and (served.time.date() != batch[0].time.date() or rows >= FLUSH_ROWS):
                break
            batch.append(served)
            rows += served.rows
        return batch

    def _take(self, batch: list[Served]) -> None:
        with self._changed:
            for served in batch:
                self._waiting.popleft()
                self.waiting_rows -= served.rows

    def _write(self, batch: list[Served]) -> None:
        self._files.write(self._rows.table(batch), day=f"date={batch[0].time.date()}", name=next(self._names))


def now() -> datetime:
    return datetime.now(UTC)
