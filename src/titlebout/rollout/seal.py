"""Is what a slot's process reads still what was deployed: checked by digest before every start."""

from collections.abc import Mapping
from pathlib import Path

from titlebout.spec import IntegrityError, digest_of_file, digest_of_folder


def require_sealed(sealed: Mapping[str, str], *, subject: str) -> None:
    """Raises IntegrityError naming the first file or folder whose content does not have its digest."""
    for place, digest in sealed.items():
        found = content_digest(Path(place))
        if found != digest:
            raise IntegrityError(
                f"{place}, which {subject} would run",
                expected=f"digest {digest}",
                found=f"digest {found}: the content was altered"
                if found
                else "no such file or folder",
                next_step="restore it from a backup, roll back, or release again",
            )


def content_digest(place: Path) -> str | None:
    """Return the digest of a file or a folder; None if there is neither."""
    if place.is_dir():
        return digest_of_folder(place)
    return digest_of_file(place) if place.is_file() else None
