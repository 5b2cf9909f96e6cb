"""Write an inference table's files to a folder, or to a bucket of an object store.

A file appears whole or not at all.
"""

import os
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

S3 = "s3://"
CONNECT_SECONDS, REQUEST_SECONDS = 5, 15  # the table's thread waits, predictions do not


class InferenceFiles(Protocol):
    """Write the table's files somewhere."""

    def write(self, table: pa.Table, *, day: str, name: str) -> None:
        """Write the rows as one file.

        Raise OSError if they cannot be kept.
        """


def open_inference_files(address: str) -> InferenceFiles:
    """Return what writes to `address`, a folder or s3://bucket/prefix.

    Of S3, the right to write is enough.
    """
    return _Bucket(address.removeprefix(S3)) if address.startswith(S3) else _Folder(Path(address))


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, table: pa.Table, *, day: str, name: str) -> None:
        folder = self._root / day
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(folder)


class _Bucket:
    """Write with Arrow's own client: another would double the image's Python packages."""

    def __init__(self, root: str) -> None:
        from pyarrow.fs import S3FileSystem

        settings: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "request_timeout": REQUEST_SECONDS,
        }
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            settings["scheme"], _, settings["endpoint_override"] = endpoint.partition("://")
        if region := os.environ.get("AWS_DEFAULT_REGION"):
            settings["region"] = region
        self._root, self._store = root, S3FileSystem(**settings)

    def write(self, table: pa.Table, *, day: str, name: str) -> None:
        with self._store.open_output_stream(f"{self._root}/{day}/{name}") as stream:
            pq.write_table(table, stream)


def _sync_folder(folder: Path) -> None:
    """Write the folder's new name to disk: it must survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
