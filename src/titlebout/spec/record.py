"""What every spec and record shares: strict, frozen, closed, read from YAML or JSON, identified by the hash of its content."""

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


# A measured number, which may be NaN or infinite; records hold those as text, as JSON has no such numbers.
Figure = Annotated[float, BeforeValidator(_from_text)]


class Record(BaseModel):
    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="strings"
    )

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read and check the file; raises SpecError naming the file and every wrong field."""
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
                next_step="mend the syntax",
            ) from error
        return cls._checked(json.dumps(plain, default=str), subject=str(path))

    @classmethod
    def from_json(cls, path: Path) -> Self:
        """Read and check the file; raises SpecError naming the file and every wrong field."""
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
                next_step="mend the named fields",
            ) from error

    def canonical_json(self) -> str:
        """The same content always gives the same text: sorted keys, no white space, NaN and infinities as strings."""
        return canonical_json(
            json.loads(self.model_dump_json())
        )  # model_dump(mode="json") would leave NaN a float

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()


def canonical_json(content: Any) -> str:
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest_of_file(path: Path) -> str:
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            sha.update(chunk)
    return sha.hexdigest()


def digest_of_folder(folder: Path, *, leave_out: frozenset[str] = frozenset()) -> str:
    """SHA-256 over the sorted relative paths and contents of all files but those whose first path part is left out.

    A link to a folder, which is not followed, counts with its target: Python would import what is behind it.
    """
    sha = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() or p.is_symlink()):
        relative = path.relative_to(folder)
        if relative.parts[0] not in leave_out:
            content = digest_of_file(path) if path.is_file() else f"link to {path.readlink()}"
            sha.update(f"{relative.as_posix()}\0{content}\n".encode())
    return sha.hexdigest()
