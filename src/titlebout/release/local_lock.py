"""Lock a model in an environment: one release transaction at a time."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from titlebout.atomic_files import write_durably
from titlebout.spec import Busy

LOCK_FILE, HOLDER_FILE = "release.lock", "release.holder.json"


@contextmanager
def release_lock(
    home: Path, *, subject: str, by: str, wait_seconds: float
) -> Iterator[Callable[[], None]]:
    """Hold the transaction's lock, which the kernel frees when its process is killed.

    Raise Busy, naming the holder, if the lock is not free after `wait_seconds`.
    """
    lock, holder_file = FileLock(home / LOCK_FILE), home / HOLDER_FILE
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout as error:
        raise Busy(
            subject,
            expected="no other release under way",
            found=_describe_holder(holder_file),
            next_step="wait for it to end, then run the command again",
        ) from error
    try:
        write_durably(
            holder_file,
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


def lock_holder(home: Path) -> str | None:
    """Describe the release that holds the lock; return None if none does."""
    lock = FileLock(home / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _describe_holder(home / HOLDER_FILE)
    lock.release()
    return None


def _describe_holder(holder_file: Path) -> str:
    holder = json.loads(holder_file.read_text()) if holder_file.is_file() else {}
    return (
        f"one by {holder.get('by', 'somebody')}, "
        f"process {holder.get('process', 'unknown')}, since {holder.get('since', 'a moment')}"
    )
