"""The rows that a release was asked about last, read back from its inference table as clients send them."""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow.parquet as pq

from titlebout.serve.inference_rows import feature_column
from titlebout.storage import Storage

FOLDER = "inference"


def recent_rows(storage: Storage, model: str, *, release: str, columns: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Up to `most` rows, from the newest files; a row whose columns were other ones is none."""
    kept = {feature_column(name): name for name in columns}
    rows = list[dict[str, Any]]()
    for day in reversed(storage.names(FOLDER, model)):
        for name in reversed(storage.names(FOLDER, model, day)):
            if name.endswith(".parquet"):
                rows += _rows(storage.read(FOLDER, model, day, name), kept, release=release)
            if len(rows) >= most:
                return rows[:most]
    return rows


def _rows(content: bytes, kept: dict[str, str], *, release: str) -> list[dict[str, Any]]:
    file = pq.ParquetFile(io.BytesIO(content))
    if not kept.keys() <= set(file.schema_arrow.names):
        return []
    table = file.read(columns=["release", *kept])
    return [{kept[name]: _sent(row[name]) for name in kept} for row in table.to_pylist() if row["release"] == release]


def _sent(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
