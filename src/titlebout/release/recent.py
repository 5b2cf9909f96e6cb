"""The rows that a release was asked about last, read back from its inference table as clients send them."""

import io
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import pyarrow.parquet as pq

from titlebout.serve.inference_rows import feature_of
from titlebout.serve.inference_table import NAMED_CHARACTERS
from titlebout.storage import Storage

FOLDER = "inference"
MOST_FILES, MOST_DAYS = 200, 7  # a quiet model's files hold a row each; older requests say little about what comes now


def recent_rows(storage: Storage, model: str, *, release: str, most: int) -> list[dict[str, Any]]:
    """Up to `most` rows, from the release's newest files, with all the columns that it was sent."""
    rows = list[dict[str, Any]]()
    for day, name in islice(_newest_files(storage, model, release=release), MOST_FILES):
        rows += _rows(storage.read(FOLDER, model, day, name), release=release)
        if len(rows) >= most:
            break
    return rows[:most]


def _newest_files(storage: Storage, model: str, *, release: str) -> Iterator[tuple[str, str]]:
    """Of the last days; a file's name begins with the release that wrote it."""
    for day in storage.names(FOLDER, model)[: -MOST_DAYS - 1 : -1]:
        for name in reversed(storage.names(FOLDER, model, day)):
            if name.startswith(release[:NAMED_CHARACTERS]) and name.endswith(".parquet"):
                yield day, name


def _rows(content: bytes, *, release: str) -> list[dict[str, Any]]:
    file = pq.ParquetFile(io.BytesIO(content))
    kept = {column: feature for column in file.schema_arrow.names if (feature := feature_of(column)) is not None}
    table = file.read(columns=["release", *kept])
    return [{kept[name]: _sent(row[name]) for name in kept} for row in table.to_pylist() if row["release"] == release]


def _sent(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
