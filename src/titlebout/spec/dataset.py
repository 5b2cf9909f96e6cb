"""Describe a frozen dataset, and the rows that settings were tuned on."""

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
    """Count and identify the rows of one part of a dataset.

    `rows_digest` covers the row hashes in order, so it changes with any value, row or order.
    """

    rows: int
    rows_digest: str
    first_time: str | None = None
    last_time: str | None = None


class Dataset(Record):
    """Describe one frozen dataset; only `prepare` writes it.

    Its digest names the folder `datasets/<digest>/`.
    That holds this record and one Parquet file per part.
    """

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
        description="of the rows with all columns of the source, "
        "also those that the model does not see",
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
    """Identify the rows that settings were tuned and chosen on.

    It proves, without the dataset, that another row is none of them.

    - By time: the rows lie from `since` to `until`.
    - By row or group: each row's hash is a number in [0, 1). It is at least `seen_from` of the
      row's class (regression: of ""), or the hash stands in `besides`.
      So a row with a smaller number was not seen.
    """

    dataset: str
    split: Split | None
    key_columns: tuple[str, ...]
    time_column: str | None = None
    since: str | None = None
    until: str | None = None
    seen_from: dict[str, float] = Field(default={})
    besides: tuple[str, ...] = Field(default=(), description="hashes as 16 hexadecimal digits")
