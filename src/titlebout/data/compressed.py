"""Open a file that may be compressed, by the ending of its name."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from titlebout.spec import DataError

HEAD_BYTES = 16
BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
DAMAGED = (
    OSError,
    EOFError,
    lzma.LZMAError,
    zlib.error,
    zipfile.BadZipFile,
    pa.ArrowInvalid,
    NotImplementedError,
    RuntimeError,
)


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Give the decompressed bytes.

    Raise DataError if they cannot be decompressed, also while they are read.
    """
    try:
        with COMPRESSIONS.get(path.suffix.lower(), _open_plain)(path) as file:
            yield file
    except DAMAGED as error:
        raise DataError(
            str(path),
            expected=f"a readable {path.suffix} file",
            found=str(error) or "an early end",
            next_step="copy the file again",
        ) from error


def head_of(path: Path) -> bytes:
    """Return the first few bytes, decompressed."""
    with open_binary(path) as file:
        return file.read(HEAD_BYTES)


def encoding_of(sample: bytes) -> str | None:
    """Return utf-16 or utf-32 if a byte order mark says so. None means UTF-8."""
    return next((name for mark, name in BYTE_ORDER_MARKS.items() if sample.startswith(mark)), None)


def _open_plain(path: Path) -> BinaryIO:
    return path.open("rb")


@contextmanager
def _open_only_member(path: Path) -> Iterator[BinaryIO]:
    """Give the only file of a zip archive. What macOS adds does not count."""
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not name.startswith("__MACOSX/")
        ]
        if len(names) != 1:
            raise DataError(
                str(path),
                expected="one file in the zip archive",
                found=f"{len(names)}",
                next_step="unzip it, and give the path of the file",
            )
        with archive.open(names[0]) as file:
            yield file  # type: ignore[misc]


def _open_with_arrow(codec: str) -> Callable[[Path], Any]:
    return lambda path: pa.input_stream(str(path), compression=codec)


COMPRESSIONS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zip": _open_only_member,
    ".zst": _open_with_arrow("zstd"),
    ".lz4": _open_with_arrow("lz4"),
}
