"""Hash what makes rows the same to a model.

This hash decides a row's part. It also proves that a model has not seen a holdout row.

- By row: rows of equal features (or of an equal `split.key`) have one hash, whatever their labels.
  A model that has seen one of them has seen all.
- By group: rows of one group have one hash.
- By time: each row has its own hash, of all columns. The same features may rightly come back later.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data.hashes import Hashes, mix, row_hashes, value_hashes
from titlebout.data.schema import refuse_absent
from titlebout.data.split import LEAST_BLOCKS, LEAST_HOLDOUT
from titlebout.spec import DataError, ModelSpec, Split

# If the holdout's share is fewer than eight blocks (metrics.MINIMUM_UNITS), blocks of many rows
# each are a grid, not copies.
GRID_ROWS_A_BLOCK = 20


class Keys(NamedTuple):
    """Hold one hash per row, the columns that it covers, and notes for a person."""

    hashes: Hashes
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def whole_rows(raw: pd.DataFrame) -> Keys:
    """Return the hashes of the rows with all their columns."""
    return Keys(row_hashes(raw), tuple(sorted(map(str, raw.columns))))


def keys_of(raw: pd.DataFrame, frame: pd.DataFrame, model: ModelSpec, *, whole: Keys) -> Keys:
    """Return the keys of the rows, which `frame` holds in wire form.

    Raise DataError for a row without its group.
    """
    if model.split.by == "group":
        group = str(model.group_column)
        return Keys(_hash_groups(raw[group], model), (group,))
    if model.split.by == "time":
        return whole
    key = model.split.key or tuple(model.columns)
    refuse_absent(model.split.key, list(raw.columns), subject=f"split.key of model {model.name}")
    wired = pd.DataFrame(
        {name: frame[name] if name in frame else raw[name] for name in key}, index=raw.index
    )
    return row_keys(wired, whole, model.split)


def row_keys(key: pd.DataFrame, whole: Keys, split: Split) -> Keys:
    """Return one hash per distinct row of `key`. If these are too few to split, return one per row.

    For example, two categories of three values make nine blocks.
    Nine blocks cannot be split usefully. New rows will be in the same nine, so a model may know
    them. Each row then counts by itself, and a number tells identical rows apart.
    With more blocks, the same holds for a dense grid only, until the holdout's share is eight
    blocks.
    """
    hashes = row_hashes(pd.DataFrame({name: _to_model_precision(key[name]) for name in key}))
    blocks = len(np.unique(hashes))
    rows_a_block = GRID_ROWS_A_BLOCK if blocks >= LEAST_BLOCKS else 2
    if blocks * split.holdout >= LEAST_HOLDOUT or len(hashes) < rows_a_block * blocks:
        return Keys(hashes, tuple(sorted(map(str, key))))
    note = (
        f"only {blocks:,} different rows of features in {len(hashes):,}: "
        "each row goes to its part, and counts, by itself"
    )
    return Keys(_number_equals(whole.hashes), whole.columns, (note,))


def _to_model_precision(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return numbers as float32. What is equal in float32 is equal to every model."""
    return column.astype(np.float32) if column.dtype == np.float64 else column


def _number_equals(hashes: Hashes) -> Hashes:
    """Return the hashes, with other ones for the second, third … of equal hashes."""
    order = np.argsort(hashes, kind="stable")
    _, starts, counts = np.unique(hashes[order], return_index=True, return_counts=True)
    number = np.empty(len(hashes), dtype=np.uint64)
    number[order] = np.arange(len(hashes)) - np.repeat(starts, counts)
    return np.where(number == 0, hashes, np.asarray(mix(hashes ^ mix(number))))


def _hash_groups(groups: "pd.Series[Any]", model: ModelSpec) -> Hashes:
    if groups.isna().any():
        raise DataError(
            f"group_column {model.group_column!r} of model {model.name}",
            expected="a group in every row",
            found=f"{int(groups.isna().sum()):,} rows without",
            next_step="give each such row a group of its own, or drop it in the source",
        )
    return value_hashes(groups)
