"""Write files that appear whole or not at all, and delete what killed writers left of them."""

import hashlib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import psutil

OWNER_ONLY = 0o600  # whoever may write these files decides what is served
UMASK_DECIDES = 0o666
PARTIAL = ".partial"
LEFT_SECONDS = 3600.0  # the largest file is written in minutes


@contextmanager
def write_whole(path: Path, *, mode: int = UMASK_DECIDES) -> Iterator[BinaryIO]:
    """Open a file beside the path, to be renamed when its content is on the disk.

    Readers see the old content or the new, never a part. After an error nothing is left.
    """
    partial = partial_of(path)
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_durably(path: Path, text: str) -> None:
    """Write a file whole, for its owner alone. The new name survives a power failure, too."""
    with write_whole(path, mode=OWNER_ONLY) as file:
        file.write(text.encode())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in the folder, not only the files' contents, on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def partial_of(path: Path) -> Path:
    """Return a place beside the path to write to before it is renamed.

    Its name says who writes, so that `sweep_partials` can tell.
    """
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{_writer(os.getpid())}{PARTIAL}")


def sweep_partials(folder: Path) -> list[Path]:
    """Delete what killed writers left below the folder, and return it.

    A writer of this machine is known to be dead. Another's file counts as left when nobody has
    written to it for an hour.
    """
    left = [path for path in folder.rglob(f"*{PARTIAL}") if _is_left(path)]
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return left


def _is_left(path: Path) -> bool:
    writer = path.name.removesuffix(PARTIAL).rsplit(".", 1)[-1]
    host, _, process = writer.partition("-")
    if host == _writer("").removesuffix("-") and process.isdigit():
        return not psutil.pid_exists(int(process))
    try:
        return time.time() - path.lstat().st_mtime > LEFT_SECONDS
    except FileNotFoundError:  # its writer has just finished
        return False


def _writer(process: int | str) -> str:
    """Return a name of this machine without dots or dashes, and the process."""
    return f"{hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]}-{process}"
