"""Which rows are one and the same to a model: the hash that decides a row's part, and by which a holdout row is proved unseen.

By row, rows of equal features (or of an equal `split.key`) have one hash, whatever their labels: a model has seen all of them once it
has seen one. By group the group has it. By time it is the row's own, with all columns: the same features may rightly come back later.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data.hashes import Hashes, mix, row_hashes, value_hashes
from titlebout.data.schema import refuse_absent
from titlebout.data.split import LEAST_BLOCKS, LEAST_HOLDOUT
from titlebout.spec import DataError, ModelSpec, Split

# Where the holdout's share is fewer than eight blocks (metrics.MINIMUM_UNITS), blocks that hold many rows each are a grid, no copies.
GRID_ROWS_A_BLOCK = 20


class Keys(NamedTuple):
    """One hash per row, the columns that it covers, and what a person should know of them."""

    hashes: Hashes
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def whole_rows(raw: pd.DataFrame) -> Keys:
    """Return the hashes of the rows with all their columns."""
    return Keys(row_hashes(raw), tuple(sorted(map(str, raw.columns))))


def keys_of(raw: pd.DataFrame, frame: pd.DataFrame, model: ModelSpec, *, whole: Keys) -> Keys:
    """Return the keys of the rows, which `frame` holds in wire form; raises DataError for a row without its group."""
    if model.split.by == "group":
        group = str(model.group_column)
        return Keys(_group_hashes(raw[group], model), (group,))
    if model.split.by == "time":
        return whole
    key = model.split.key or tuple(model.columns)
    refuse_absent(model.split.key, list(raw.columns), subject=f"split.key of model {model.name}")
    wired = pd.DataFrame(
        {name: frame[name] if name in frame else raw[name] for name in key}, index=raw.index
    )
    return row_keys(wired, whole, model.split)


def row_keys(key: pd.DataFrame, whole: Keys, split: Split) -> Keys:
    """Return one hash per distinct row of `key`, or, where these are too few to split, one per row.

    Two categories of three values make nine blocks: no split of nine tells anything. New rows will fall on the same nine, and a model may
    know them. So each row then is a draw of its own, and identical rows are told apart by their number. With more blocks, up to where the
    holdout's share is eight of them, only a dense grid counts as one.
    """
    hashes = row_hashes(pd.DataFrame({name: _as_the_model_sees(key[name]) for name in key}))
    blocks = len(np.unique(hashes))
    rows_a_block = GRID_ROWS_A_BLOCK if blocks >= LEAST_BLOCKS else 2
    if blocks * split.holdout >= LEAST_HOLDOUT or len(hashes) < rows_a_block * blocks:
        return Keys(hashes, tuple(sorted(map(str, key))))
    words = f"only {blocks:,} different rows of features in {len(hashes):,}: each row goes to its part, and counts, by itself"
    return Keys(_numbered(whole.hashes), whole.columns, (words,))


def _as_the_model_sees(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return numbers as float32: what is equal there is equal to every model."""
    return column.astype(np.float32) if column.dtype == np.float64 else column


def _numbered(hashes: Hashes) -> Hashes:
    """Return other hashes for the second, third … of equal ones."""
    order = np.argsort(hashes, kind="stable")
    _, starts, counts = np.unique(hashes[order], return_index=True, return_counts=True)
    number = np.empty(len(hashes), dtype=np.uint64)
    number[order] = np.arange(len(hashes)) - np.repeat(starts, counts)
    return np.where(number == 0, hashes, np.asarray(mix(hashes ^ mix(number))))


def _group_hashes(groups: "pd.Series[Any]", model: ModelSpec) -> Hashes:
    if groups.isna().any():
        raise DataError(
            f"group_column {model.group_column!r} of model {model.name}",
            expected="a group in every row",
            found=f"{int(groups.isna().sum()):,} rows without",
            next_step="give each such row a group of its own, or drop it in the source",
        )
    return value_hashes(groups)
