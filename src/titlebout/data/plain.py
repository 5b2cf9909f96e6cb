"""Every source's columns in one of five plain kinds (int64, float64, bool, datetime64[us], text), so that formats do not matter.

Missing is NaN, NaT, an empty text or one of the words below, whatever the source; zones of times are left aside (the wall clock counts).
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from titlebout.data.typed import numpy_column, table_columns, value_text

MISSING_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "null", "NULL")

SHORT_FLOATS = frozenset({"float16", "float32"})


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with every column of a plain kind; column names become text."""
    return pd.DataFrame({str(name): plain_column(frame[name]) for name in frame.columns}, index=frame.index)


def plain_table(table: pa.Table) -> pd.DataFrame:
    """Return the rows of an Arrow table as a frame of plain columns, numbered from 0."""
    columns = {name: plain_column(values) for name, values in table_columns(table).items()}
    return pd.DataFrame(columns, index=range(table.num_rows))


def plain_column(values: "pd.Series[Any]") -> "pd.Series[Any]":
    values = numpy_column(values)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_localize(None)
    kind = values.dtype.kind
    if kind == "b" and not values.hasnans:
        return values.astype(bool)
    if kind in "iu" and not values.hasnans:
        return values.astype("int64") if _fits_int64(values) else _texts(values)
    if kind in "iuf":
        return _floats(values)
    return _times(values) if kind == "M" else _texts(values)


def _fits_int64(values: "pd.Series[Any]") -> bool:
    return values.dtype.kind == "i" or not len(values) or int(values.max()) <= np.iinfo(np.int64).max


def _floats(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """A 0.1 of single precision becomes the double 0.1, as it would through a CSV file."""
    if str(values.dtype).lower() not in SHORT_FLOATS:
        return values.astype("float64")
    short = pc.cast(pa.array(values.to_numpy(dtype="float32", na_value=np.nan), from_pandas=True), pa.string())
    return pd.Series(pc.cast(short, pa.float64()).to_numpy(zero_copy_only=False), index=values.index, dtype="float64")


def _times(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return microseconds; a column with a time beyond their 290,000 years (a sentinel, mostly) is text, so that nothing is lost."""
    try:
        return values.astype("datetime64[us]")
    except pd.errors.OutOfBoundsDatetime:
        texts = pd.Series(np.datetime_as_string(values.to_numpy()), index=values.index, dtype="str")
        return texts.where(values.notna())


def _texts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    if not isinstance(values.dtype, pd.StringDtype):
        values = values.map(value_text, na_action="ignore")
    values = values.astype("str")
    return values.mask(values.isin(MISSING_WORDS))
