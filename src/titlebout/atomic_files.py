"""Files that are whole and on the disk before anything refers to them."""

import os
from pathlib import Path

OWNER_ONLY = 0o600  # whoever may write these files decides what is served


def write_durably(path: Path, text: str) -> None:
    """Readers see the old content or the new, never a part, also after the machine lost power."""
    partial = path.with_name(f".{path.name}.partial")
    partial.touch(mode=OWNER_ONLY)
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in the folder, not only the files' contents, on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
