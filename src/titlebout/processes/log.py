"""Keep what a server process prints, in a file of limited size that only its owner can read."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

OWNER_ONLY = 0o600  # a traceback may hold a client's values
# A server that prints a traceback per request fills this in half a minute. One older file of this
# size is kept.
LOG_BYTES = 10 * 1024**2
TAIL_BYTES = 64 * 1024
TAIL_LINES = 12


def log_path(name: str, home: Path) -> Path:
    """Return the path of the process's log."""
    return home / "logs" / f"{name}.log"


def log_tail(name: str, home: Path) -> str:
    """Return the last lines of the log; empty if there is none."""
    path = log_path(name, home)
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])


def open_log(name: str, home: Path) -> BinaryIO:
    """Open the log for a process to print to.

    It appends, so that the file can be cut while the process holds it open.
    """
    path = log_path(name, home)
    path.parent.mkdir(parents=True, exist_ok=True)
    rotate_log(name, home)
    return open(path, "ab", opener=_owner_only)


def rotate_log(name: str, home: Path) -> bool:
    """Move a full log to `<name>.log.1`, over the one before; return True if it was full.

    The server has the file open, so its content is copied and the file is cut. A line that is
    printed between the two is lost.
    """
    path = log_path(name, home)
    if not path.is_file() or path.stat().st_size <= LOG_BYTES:
        return False
    with (
        path.open("rb") as full,
        open(path.with_suffix(".log.1"), "wb", opener=_owner_only) as older,
    ):
        shutil.copyfileobj(full, older)
    os.truncate(path, 0)
    return True


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, OWNER_ONLY)
