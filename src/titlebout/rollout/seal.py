"""Check by digest, before every start, that what a slot's process reads is what was deployed."""

from collections.abc import Mapping
from pathlib import Path

from titlebout.spec import IntegrityError, digest_of_file, digest_of_folder


def require_sealed(sealed: Mapping[str, str], *, subject: str) -> None:
    """Raise IntegrityError for the first file or folder whose content does not have its digest."""
    for path, digest in sealed.items():
        found = content_digest(Path(path))
        if found != digest:
            raise IntegrityError(
                f"{path}, which {subject} would run",
                expected=f"digest {digest}",
                found=f"digest {found}: the content was altered"
                if found
                else "no such file or folder",
                next_step="restore it from a backup, roll back, or release again",
            )


def content_digest(path: Path) -> str | None:
    """Return the digest of a file or a folder; None if there is neither."""
    if path.is_dir():
        return digest_of_folder(path)
    return digest_of_file(path) if path.is_file() else None
