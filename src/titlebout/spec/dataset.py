"""The record of one frozen dataset; `prepare` is its only writer."""

from typing import Literal

from titlebout.spec.model import Column
from titlebout.spec.record import Record

PART_NAMES: tuple[Literal["train", "validation", "holdout"], ...] = ("train", "validation", "holdout")


class Part(Record):
    """`rows_digest` covers the row hashes in order, so it changes with any value, row or order."""

    rows: int
    rows_digest: str
    first_time: str | None = None
    last_time: str | None = None


class Dataset(Record):
    """Its digest names the folder `datasets/<digest>/`, which holds this record and one Parquet file per part."""

    model: str
    source: str
    window: tuple[str, str] | None = None
    fraction: float
    columns: dict[str, Column]
    target: str
    classes: tuple[str, ...] = ()
    rows: int
    dropped_duplicates: int = 0
    parts: dict[Literal["train", "validation", "holdout"], Part]
