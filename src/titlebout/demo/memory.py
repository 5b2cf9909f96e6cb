"""Measure how much memory everything together takes while the demo runs."""

import contextlib
import threading
import time
from pathlib import Path

import psutil

from titlebout.processes import ProcessRecord

SAMPLE_SECONDS = 1.0  # reading shared-page counts costs about 1 ms a process


class MemoryWatch(contextlib.AbstractContextManager["MemoryWatch"]):
    """Sample the proportional set size (PSS) while the context is open.

    It is that of this process, its descendants, and every server started under `home`. `samples`
    holds Unix times and bytes.
    """

    def __init__(self, home: Path) -> None:
        self._home, self._stop = home, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.samples: list[tuple[float, int]] = []

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.samples.append((time.time(), sum(map(_pss_bytes, self._processes()))))

    def _processes(self) -> set[psutil.Process]:
        parents = [psutil.Process()]
        for pid_file in self._home.glob("**/run/*.json"):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                parents.append(psutil.Process(ProcessRecord.from_json(pid_file).pid))
        processes = set(parents)
        for parent in parents:
            with contextlib.suppress(psutil.NoSuchProcess):
                processes.update(parent.children(recursive=True))
        return processes


def _pss_bytes(process: psutil.Process) -> int:
    """Return the process's PSS in bytes; 0 for a process that has just ended."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0
