"""The record of one frozen dataset; `prepare` is its only writer."""

from typing import Literal, Self

from pydantic import Field, model_validator

from titlebout.spec.formats import MISSING_WORDS
from titlebout.spec.model import Column, Split
from titlebout.spec.record import Record

PART_NAMES: tuple[Literal["train", "validation", "holdout"], ...] = (
    "train",
    "validation",
    "holdout",
)


class PartRecord(Record):
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
    order: tuple[str, ...] = Field(
        default=(), description="of the columns, as in model.yaml; a JSON object does not keep it"
    )
    target: str
    target_format: str | None = None
    missing: tuple[str, ...] = Field(
        default=MISSING_WORDS, description="the texts that were read as missing"
    )
    time_column: str | None = None
    group_column: str | None = None
    split: Split | None = None
    key_columns: tuple[str, ...] = Field(
        default=(), description="the columns that the row hashes cover"
    )
    classes: tuple[str, ...] = ()
    rows: int
    source_digest: str = Field(
        default="",
        description="of the rows with all columns of the source, also those that the model does not see",
    )
    dropped_without_target: int = 0
    notes: tuple[str, ...] = Field(
        default=(), description="what a person should know of how the rows were chosen"
    )
    parts: dict[Literal["train", "validation", "holdout"], PartRecord]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.order and set(self.order) != set(self.columns):
            raise ValueError("`order` and `columns` name different columns")
        for name in self.order:
            self.columns[name] = self.columns.pop(name)
        return self


class SeenRows(Record):
    """Which rows settings were tuned and chosen on: enough to prove elsewhere, without the dataset, that a row is none of them.

    By time, they lie from `since` to `until`. By row or group, the hash of each has its place from `seen_from` of its class on
    (regression: of ""), or stands in `besides`; so a row with a smaller place was not seen.
    """

    dataset: str
    split: Split | None
    key_columns: tuple[str, ...]
    time_column: str | None = None
    since: str | None = None
    until: str | None = None
    seen_from: dict[str, float] = Field(default={})
    besides: tuple[str, ...] = Field(default=(), description="hashes as 16 hexadecimal digits")
