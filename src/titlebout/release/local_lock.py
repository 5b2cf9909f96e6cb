"""Lock a model in an environment: one release transaction at a time."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from titlebout.atomic_files import write_durably
from titlebout.spec import Busy, moment_of

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
            found=_describe_holder(_read_holder(holder_file)),
            next_step="wait for it to end, then run the command again",
        ) from error
    try:
        write_durably(
            holder_file,
            json.dumps(
                {
                    "by": by,
                    "process": os.getpid(),
                    "since": datetime.now(UTC).isoformat(timespec="milliseconds"),
                }
            ),
        )
        yield lambda: None  # as long as this process lives, the kernel keeps the lock for it
    finally:
        lock.release()


def lock_holder(home: Path, *, after: datetime) -> str | None:
    """Describe the release that took the lock after this time; return None if none holds it."""
    lock = FileLock(home / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = _read_holder(home / HOLDER_FILE)
        is_older = "since" in holder and moment_of(holder["since"]) < after
        return None if is_older else _describe_holder(holder)
    lock.release()
    return None


def _read_holder(holder_file: Path) -> dict[str, Any]:
    return dict(json.loads(holder_file.read_text())) if holder_file.is_file() else {}


def _describe_holder(holder: dict[str, Any]) -> str:
    return (
        f"one by {holder.get('by', 'somebody')}, "
        f"process {holder.get('process', 'unknown')}, since {holder.get('since', 'a moment')}"
    )
