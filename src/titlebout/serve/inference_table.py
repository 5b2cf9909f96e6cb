"""The inference table: every prediction served, appended as Parquet files by a thread of its own.

A prediction never waits for a disk or a store. Requests wait in a queue that is bounded in rows and in bytes; the writer takes them in
batches. `close` writes what waits: an ordinary stop loses nothing. No request can end the writer: what cannot be written is counted,
logged and left out, and the rest of its batch is kept.
"""

import itertools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from titlebout.serve.inference_files import open_inference_files
from titlebout.serve.inference_rows import InferenceRows, Served, Waiting, feature_column
from titlebout.spec import Contract

__all__ = ["InferenceTable", "Served", "feature_column"]

log = logging.getLogger("titlebout.serve")

MAX_WAITING_ROWS = 50_000  # at 1,000 rows a second the disk may be away for 50 s
MAX_WAITING_BYTES = 64 << 20  # 50,000 rows of 20 columns take about that
NAMED_CHARACTERS = 8  # of the release's id, with which a file's name begins
FLUSH_ROWS = 10_000  # a file of a few hundred kilobytes
FLUSH_BYTES = 16 << 20  # what is copied while a file is made, a few times
FLUSH_SECONDS = 5.0  # how much a killed process can lose, against how many files a day has


class Counts:
    """Rows, since the process started; `failures` counts attempts that the disk or the store refused."""

    written = dropped = unwritable = failures = 0


def now() -> datetime:
    return datetime.now(UTC)


class InferenceTable:
    """Raises whatever keeps the contract from having a table at all: such a server must not start."""

    def __init__(
        self,
        address: str,
        contract: Contract,
        *,
        release: str,
        slot: str,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._address, self._files, self._rows = (
            address,
            open_inference_files(address),
            InferenceRows(contract, release=release, slot=slot),
        )
        self._rows.check()
        begins = f"{release[:NAMED_CHARACTERS]}-{slot}-{os.getpid()}.{time.time_ns():x}"
        self._names = (f"{begins}-{number}.parquet" for number in itertools.count())
        self._clock = clock
        self._waiting: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = self._broken = False
        self.waiting_rows, self.waiting_bytes, self.counts, self.fault = 0, 0, Counts(), ""
        self._thread = threading.Thread(target=self._run, name="inference-table", daemon=True)
        self._thread.start()

    @property
    def works(self) -> bool:
        """Whether the writer lives and can make rows; a store that is away does not count, since it may come back."""
        return self._thread.is_alive() and not self._broken

    def put(self, served: Served) -> None:
        """Never waits: with the queue full, the rows are dropped and counted."""
        arrived = self._clock() - timedelta(milliseconds=served.latency_ms)
        waiting = self._rows.waiting(served, arrived=arrived)
        with self._changed:
            if (
                self.waiting_rows + served.rows > MAX_WAITING_ROWS
                or self.waiting_bytes + waiting.size > MAX_WAITING_BYTES
            ):
                self.counts.dropped += served.rows
                return
            self._waiting.append(waiting)
            self.waiting_rows += served.rows
            self.waiting_bytes += waiting.size
            if self._is_full():
                self._changed.notify()

    def close(self) -> None:
        """Write what waits and end the thread; what cannot be written now is counted as dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if self.waiting_rows:
            self.counts.dropped += self.waiting_rows
            log.error(
                "inference table: %d rows lost at the stop: %s", self.waiting_rows, self.fault
            )

    def _is_full(self) -> bool:
        return self.waiting_rows >= FLUSH_ROWS or self.waiting_bytes >= FLUSH_BYTES

    def _run(self) -> None:
        last = False
        while not last:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or (self._is_full() and not self.fault), FLUSH_SECONDS
                )
                last = self._closing
            try:
                if self._broken:
                    self._check()
                self._flush()
            except Exception as error:  # noqa: BLE001  the thread must survive, or every later prediction is lost without a word
                self._say_fault(repr(error))

    def _flush(self) -> None:
        """File after file, until nothing waits or the disk refuses; then the rows go on waiting for the next turn."""
        while batch := self._next_batch():
            tables = self._tables(batch)
            if tables:
                try:
                    self._files.write(
                        pa.concat_tables(tables),
                        day=f"date={batch[0].arrived.date()}",
                        name=next(self._names),
                    )
                except OSError as error:
                    self._say_fault(str(error))
                    return
            written = sum(table.num_rows for table in tables)
            self._take(batch)
            self.counts.written += written
            self.counts.unwritable += sum(waiting.served.rows for waiting in batch) - written
            self.fault = ""

    def _tables(self, batch: list[Waiting]) -> list[pa.Table]:
        """The batch as rows. If one request cannot be written, halves are tried until it is alone: it must not take others with it."""
        try:
            return [self._rows.table(batch)]
        except Exception as error:  # noqa: BLE001  whatever it is, it is said of the one request that it belongs to
            if len(batch) == 1:
                self._say_unwritable(batch[0].served, error)
                return []
            half = len(batch) // 2
            return self._tables(batch[:half]) + self._tables(batch[half:])

    def _say_unwritable(self, served: Served, error: Exception) -> None:
        log.error(
            "inference table: request %s (%d rows) cannot be written and is left out: %r",
            served.request_id,
            served.rows,
            error,
        )
        self._check()

    def _check(self) -> None:
        """Find out whether the content was at fault or the writer itself, and say so when that changes."""
        try:
            self._rows.check()
            broken = False
        except Exception as fault:  # noqa: BLE001  whatever it is, it is said
            broken = True
            if not self._broken:
                log.error(
                    "inference table: no row can be written, the server is not ready: %r", fault
                )
        if self._broken and not broken:
            log.error("inference table: rows can be written again")
        self._broken = broken

    def _say_fault(self, fault: str) -> None:
        self.counts.failures += 1
        if not self.fault:
            log.error(
                "inference table: cannot write to %s: %s; predictions go on, %d rows wait",
                self._address,
                fault,
                self.waiting_rows,
            )
        self.fault = fault

    def _next_batch(self) -> list[Waiting]:
        """The oldest requests, all of one day of arrival, of about FLUSH_ROWS rows; they stay in the queue until they are on disk."""
        with self._changed:
            queue = list(self._waiting)
        batch: list[Waiting] = []
        rows = size = 0
        for waiting in queue:
            if batch and (
                waiting.arrived.date() != batch[0].arrived.date()
                or rows >= FLUSH_ROWS
                or size >= FLUSH_BYTES
            ):
                break
            batch.append(waiting)
            rows += waiting.served.rows
            size += waiting.size
        return batch

    def _take(self, batch: list[Waiting]) -> None:
        with self._changed:
            for waiting in batch:
                self._waiting.popleft()
                self.waiting_rows -= waiting.served.rows
                self.waiting_bytes -= waiting.size
