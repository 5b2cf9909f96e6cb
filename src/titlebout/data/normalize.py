"""Bring every source's columns to one of five plain kinds, so that its format does not matter.

The kinds are int64, float64, bool, datetime64[us] and text. Missing is NaN, NaT, an empty text or
one of the model's missing words, with or without space around it. Zones of times are left aside:
the wall clock counts.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from titlebout.data.parse import parse_numbers
from titlebout.data.typed import numpy_column, table_columns, value_text
from titlebout.spec import MISSING_WORDS, Missing

SHORT_FLOATS = frozenset({"float16", "float32"})


def normalize_frame(
    frame: pd.DataFrame, *, missing: Collection[str] = MISSING_WORDS
) -> pd.DataFrame:
    """Return the same rows with every column of a plain kind; column names become text."""
    words = Missing.of(missing)
    return pd.DataFrame(
        {
            str(name): _replace_missing(normalize_column(frame[name]), words)
            for name in frame.columns
        },
        index=frame.index,
    )


def normalize_table(table: pa.Table, *, missing: Collection[str]) -> pd.DataFrame:
    """Return the rows of an Arrow table as a frame of plain columns, numbered from 0."""
    words = Missing.of(missing)
    columns = {
        name: _replace_missing(normalize_column(values), words)
        for name, values in table_columns(table).items()
    }
    return pd.DataFrame(columns, index=range(table.num_rows))


def _replace_missing(values: "pd.Series[Any]", missing: Missing) -> "pd.Series[Any]":
    """Replace missing words by missing values; a number is one if its text would be."""
    if isinstance(values.dtype, pd.StringDtype):
        trimmed = values.str.strip()
        gone = trimmed.isin(missing.words)
        return values.mask(
            gone | np.isin(parse_numbers(trimmed), list(missing.numbers))
            if missing.numbers
            else gone
        )
    if (
        values.dtype.kind in "if"
        and missing.numbers
        and (gone := values.isin(missing.numbers)).any()
    ):
        return values.mask(gone)
    return values


def normalize_column(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the column as one of the plain kinds."""
    values = numpy_column(values)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_localize(None)
    kind = values.dtype.kind
    if kind == "b" and not values.hasnans:
        return values.astype(bool)
    if kind in "iu" and not values.hasnans:
        return values.astype("int64") if _fits_int64(values) else _to_texts(values)
    if kind in "iuf":
        return _to_floats(values)
    return _to_times(values) if kind == "M" else _to_texts(values)


def _fits_int64(values: "pd.Series[Any]") -> bool:
    return (
        values.dtype.kind == "i" or not len(values) or int(values.max()) <= np.iinfo(np.int64).max
    )


def _to_floats(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return doubles; a 0.1 of single precision becomes the double 0.1, as through a CSV file."""
    if str(values.dtype).lower() not in SHORT_FLOATS:
        return values.astype("float64")
    short = pc.cast(
        pa.array(values.to_numpy(dtype="float32", na_value=np.nan), from_pandas=True), pa.string()
    )
    return pd.Series(
        pc.cast(short, pa.float64()).to_numpy(zero_copy_only=False),
        index=values.index,
        dtype="float64",
    )


def _to_times(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return microseconds.

    A column with a time beyond their 290,000 years (mostly a sentinel) is text, so that nothing is
    lost.
    """
    try:
        return values.astype("datetime64[us]")
    except pd.errors.OutOfBoundsDatetime:
        texts = pd.Series(np.datetime_as_string(values.to_numpy()), index=values.index, dtype="str")
        return texts.where(values.notna())


def _to_texts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    if not isinstance(values.dtype, pd.StringDtype):
        values = values.map(value_text, na_action="ignore")
    return values.astype("str")
