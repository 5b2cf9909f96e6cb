"""One release transaction per model and environment at a time."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from titlebout.atomic_files import write_durably
from titlebout.spec import Busy


@contextmanager
def release_lock(
    home: Path, *, subject: str, by: str, wait_seconds: float
) -> Iterator[Callable[[], None]]:
    """Hold the transaction's lock, which a killed process lets go; raises Busy, naming the holder, after `wait_seconds`."""
    lock, holder = FileLock(home / "release.lock"), home / "release.holder.json"
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout as error:
        held = json.loads(holder.read_text()) if holder.is_file() else {}
        raise Busy(
            subject,
            expected="no other release under way",
            found=f"one by {held.get('by', 'somebody')}, process {held.get('process', 'unknown')}, since {held.get('since', 'a moment')}",
            next_step="wait for it to end, then run the command again",
        ) from error
    try:
        write_durably(
            holder,
            json.dumps(
                {
                    "by": by,
                    "process": os.getpid(),
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            ),
        )
        yield lambda: None  # as long as this process lives, the kernel keeps the lock for it
    finally:
        lock.release()
