"""Define the base class of every spec and record.

A record is strict, frozen and closed. It is read from YAML or JSON.
The hash of its content identifies it.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from titlebout.spec.errors import SpecError

CHUNK_BYTES = 1 << 20


def _from_text(value: Any) -> Any:
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


# A measured number, which may be NaN or infinite.
# Records hold those as text, since JSON has no such numbers.
Figure = Annotated[float, BeforeValidator(_from_text)]


class Record(BaseModel):
    """Hold checked values that do not change."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="strings"
    )

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read and check the file. Raise SpecError with the file and every wrong field."""
        if not path.is_file():
            raise SpecError(
                str(path),
                expected=f"a file of the kind {cls.__name__}",
                found="no such file",
                next_step="create it, or check the name",
            )
        try:
            plain = yaml.safe_load(path.read_text())
        except yaml.YAMLError as error:
            raise SpecError(
                str(path),
                expected="YAML",
                found=" ".join(str(error).split()),
                next_step="fix the syntax",
            ) from error
        return cls._checked(json.dumps(plain, default=str), subject=str(path))

    @classmethod
    def from_json(cls, path: Path) -> Self:
        """Read and check the file. Raise SpecError with the file and every wrong field."""
        if not path.is_file():
            raise SpecError(
                str(path),
                expected=f"a record of the kind {cls.__name__}",
                found="no such file",
                next_step="check the path",
            )
        return cls._checked(path.read_text(), subject=str(path))

    @classmethod
    def _checked(cls, text: str, *, subject: str) -> Self:
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors()
            )
            raise SpecError(
                subject,
                expected=f"a valid {cls.__name__}",
                found=wrong,
                next_step="fix the named fields",
            ) from error

    def canonical_json(self) -> str:
        """Return the same text for the same content, always.

        Keys are sorted, there is no white space, and NaN and infinities are strings.
        """
        # model_dump(mode="json") would leave NaN a float
        return canonical_json(json.loads(self.model_dump_json()))

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()


def canonical_json(content: Any) -> str:
    """Return the content as JSON with sorted keys and without white space."""
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of the file, hexadecimal."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            sha.update(chunk)
    return sha.hexdigest()


def digest_of_folder(folder: Path, *, leave_out: frozenset[str] = frozenset()) -> str:
    """Return the SHA-256 of the sorted relative paths and contents of all files, hexadecimal.

    A path whose first part is in `leave_out` does not count.
    A link to a folder is not followed, but its target counts: Python would import what it holds.
    """
    sha = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() or p.is_symlink()):
        relative = path.relative_to(folder)
        if relative.parts[0] not in leave_out:
            content = digest_of_file(path) if path.is_file() else f"link to {path.readlink()}"
            sha.update(f"{relative.as_posix()}\0{content}\n".encode())
    return sha.hexdigest()
