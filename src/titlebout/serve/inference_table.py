"""Append every served prediction to the inference table, as Parquet files, in a thread.

A prediction never waits for a disk or a store. Requests wait in a queue that is limited in rows and
in bytes; the writer takes them in batches. `close` writes what waits: an ordinary stop loses
nothing.

No request can end the writer. What cannot be written is counted, logged and left out, and the rest
of its batch is kept.
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
from titlebout.serve.inference_rows import InferenceRows, QueuedRequest, Served, feature_column
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
    """Count rows since the process started; `failures` counts writes that failed."""

    written = dropped = unwritable = failures = 0


def now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


class InferenceTable:
    """Queue answered requests, and write them in batches.

    Raise the error that keeps the contract from having a table at all: such a server must not
    start.
    """

    def __init__(
        self,
        address: str,
        contract: Contract,
        *,
        release: str,
        slot: str,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._address = address
        self._files = open_inference_files(address)
        self._rows = InferenceRows(contract, release=release, slot=slot)
        self._rows.check()
        prefix = f"{release[:NAMED_CHARACTERS]}-{slot}-{os.getpid()}.{time.time_ns():x}"
        self._names = (f"{prefix}-{number}.parquet" for number in itertools.count())
        self._clock = clock
        self._waiting: deque[QueuedRequest] = deque()
        self._changed = threading.Condition()
        self._closing = self._broken = False
        self.waiting_rows, self.waiting_bytes, self.counts, self.fault = 0, 0, Counts(), ""
        self._thread = threading.Thread(target=self._run, name="inference-table", daemon=True)
        self._thread.start()

    @property
    def works(self) -> bool:
        """Tell whether the writer runs and can make rows.

        A store that is away does not count, since it may come back.
        """
        return self._thread.is_alive() and not self._broken

    def put(self, served: Served) -> None:
        """Queue a request; never wait. If the queue is full, the rows are dropped and counted."""
        arrived = self._clock() - timedelta(milliseconds=served.latency_ms)
        queued = self._rows.cut_and_measure(served, arrived=arrived)
        with self._changed:
            if (
                self.waiting_rows + served.rows > MAX_WAITING_ROWS
                or self.waiting_bytes + queued.size > MAX_WAITING_BYTES
            ):
                self.counts.dropped += served.rows
                return
            self._waiting.append(queued)
            self.waiting_rows += served.rows
            self.waiting_bytes += queued.size
            if self._is_full():
                self._changed.notify()

    def close(self) -> None:
        """Write what waits and end the thread.

        What cannot be written now is counted as dropped.
        """
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
            # The thread must survive, or every later prediction is lost silently.
            except Exception as error:  # noqa: BLE001
                self._log_fault(repr(error))

    def _flush(self) -> None:
        """Write file after file, until nothing waits or the disk refuses.

        After a refusal the rows wait for the next turn.
        """
        while batch := self._next_batch():
            tables = self._make_tables(batch)
            if tables:
                try:
                    self._files.write(
                        pa.concat_tables(tables),
                        day=f"date={batch[0].arrived.date()}",
                        name=next(self._names),
                    )
                except OSError as error:
                    self._log_fault(str(error))
                    return
            written = sum(table.num_rows for table in tables)
            self._remove(batch)
            self.counts.written += written
            self.counts.unwritable += sum(queued.served.rows for queued in batch) - written
            self.fault = ""

    def _make_tables(self, batch: list[QueuedRequest]) -> list[pa.Table]:
        """Return the batch as rows.

        If one request cannot be written, halves are tried until it is alone: the others are kept.
        """
        try:
            return [self._rows.table(batch)]
        # Whatever it is, it is logged for the one request that it belongs to.
        except Exception as error:  # noqa: BLE001
            if len(batch) == 1:
                self._log_unwritable(batch[0].served, error)
                return []
            half = len(batch) // 2
            return self._make_tables(batch[:half]) + self._make_tables(batch[half:])

    def _log_unwritable(self, served: Served, error: Exception) -> None:
        log.error(
            "inference table: request %s (%d rows) cannot be written and is left out: %r",
            served.request_id,
            served.rows,
            error,
        )
        self._check()

    def _check(self) -> None:
        """Find out whether the content was at fault or the writer itself.

        A change is logged.
        """
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

    def _log_fault(self, fault: str) -> None:
        self.counts.failures += 1
        if not self.fault:
            log.error(
                "inference table: cannot write to %s: %s; predictions go on, %d rows wait",
                self._address,
                fault,
                self.waiting_rows,
            )
        self.fault = fault

    def _next_batch(self) -> list[QueuedRequest]:
        """Return the oldest requests, all of one day of arrival.

        They are about FLUSH_ROWS rows, and stay in the queue until they are on disk.
        """
        with self._changed:
            queue = list(self._waiting)
        batch: list[QueuedRequest] = []
        rows = size = 0
        for queued in queue:
            if batch and (
                queued.arrived.date() != batch[0].arrived.date()
                or rows >= FLUSH_ROWS
                or size >= FLUSH_BYTES
            ):
                break
            batch.append(queued)
            rows += queued.served.rows
            size += queued.size
        return batch

    def _remove(self, batch: list[QueuedRequest]) -> None:
        with self._changed:
            for queued in batch:
                self._waiting.popleft()
                self.waiting_rows -= queued.served.rows
                self.waiting_bytes -= queued.size
