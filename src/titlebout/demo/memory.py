"""How much memory everything together takes, sampled while the demo runs."""

import contextlib
import threading
import time
from pathlib import Path

import psutil

from titlebout.processes import ProcessRecord

SAMPLE_SECONDS = 1.0  # reading shared-page counts costs about 1 ms a process


class MemoryWatch(contextlib.AbstractContextManager["MemoryWatch"]):
    """Proportional set size (PSS) of this process, its descendants, and every server started under `home`."""

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
            self.samples.append((time.time(), sum(map(_pss_bytes, self._family()))))

    def _family(self) -> set[psutil.Process]:
        heads = [psutil.Process()]
        for pid_file in self._home.glob("**/run/*.json"):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                heads.append(psutil.Process(ProcessRecord.from_json(pid_file).pid))
        family = set(heads)
        for head in heads:
            with contextlib.suppress(psutil.NoSuchProcess):
                family.update(head.children(recursive=True))
        return family


def _pss_bytes(process: psutil.Process) -> int:
    """Zero for a process that has just ended."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0
