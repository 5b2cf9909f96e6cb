"""Turn typed columns into numpy's types or text, without losing a digit.

Typed columns are Arrow's, pandas' nullable ones, and categories.
numpy has no missing value for whole numbers and truth values.
A column that needs one becomes text, as it would be in a CSV file.
"""

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

# How pandas names an index without a name in a Parquet file.
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def table_columns(table: pa.Table) -> "dict[str, pd.Series[Any]]":
    """Return the table's columns by name, without an index that has no name.

    Such an index only tells the earlier order of the rows.
    """
    unnamed = _find_unnamed_indexes(table)
    return {
        name: arrow_column(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
        if name not in unnamed
    }


def numpy_column(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return the values as a column of a numpy type, of times with a zone, or of text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = _decode_categories(values)
    if isinstance(values.dtype, pd.ArrowDtype) or (_is_nullable(values) and values.hasnans):
        arrow = pa.array(values)
        decoded = arrow_column(
            arrow if isinstance(arrow, pa.ChunkedArray) else pa.chunked_array([arrow])
        )
        return pd.Series(decoded.array, index=values.index, name=values.name)
    return values


def arrow_column(values: pa.ChunkedArray) -> "pd.Series[Any]":
    """Return the values of one Arrow column; see `numpy_column`."""
    values = _decode(values)
    kind = values.type
    if pa.types.is_integer(kind) and values.null_count:
        return _to_series(pc.cast(values, pa.large_string()))
    if pa.types.is_boolean(kind) and values.null_count:
        return _to_series(pc.if_else(values, "True", "False"))
    if pa.types.is_date(kind) or pa.types.is_decimal(kind) or _is_text(kind):
        return _to_series(pc.cast(values, pa.large_string()))
    if (
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_timestamp(kind)
    ):
        return pd.Series(values.to_pandas())
    return pd.Series(
        [None if value is None else value_text(value) for value in values.to_pylist()], dtype="str"
    )


def value_text(value: object) -> str:
    r"""Return what a CSV file would hold for one value.

    A list or a struct becomes JSON. Bytes become UTF-8; those that are not UTF-8 become `\xff`.
    """
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return (
        json.dumps(value, ensure_ascii=False, default=str)
        if isinstance(value, list | dict)
        else str(value)
    )


def _decode_categories(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a categorical column's values.

    Whole numbers beside a missing value stay objects, as numpy would make them floats.
    """
    categories = values.cat.categories
    codes = values.cat.codes.to_numpy()
    if categories.dtype.kind in "iub" and (codes < 0).any():
        categories = categories.astype(object)
    return pd.Series(
        categories.take(codes, allow_fill=True, fill_value=np.nan).array,
        index=values.index,
        name=values.name,
    )


def _is_nullable(values: "pd.Series[Any]") -> bool:
    return isinstance(values.dtype, pd.api.extensions.ExtensionDtype) and values.dtype.kind in "iub"


def _is_text(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(kind) for check in checks)


def _decode(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the plain values of an extension type, a dictionary or a run-end encoding."""
    if isinstance(values.type, pa.BaseExtensionType):
        return _decode(values.cast(values.type.storage_type))
    if pa.types.is_dictionary(values.type):
        return _decode(values.cast(values.type.value_type))
    if pa.types.is_run_end_encoded(values.type):
        return _decode(
            pa.chunked_array(
                [pc.run_end_decode(chunk) for chunk in values.chunks], values.type.value_type
            )
        )
    return values


def _to_series(texts: pa.ChunkedArray) -> "pd.Series[Any]":
    return pd.Series(texts.to_pandas(), dtype="str")


def _find_unnamed_indexes(table: pa.Table) -> set[str]:
    indexes = (table.schema.pandas_metadata or {}).get("index_columns", [])
    return {name for name in indexes if isinstance(name, str) and UNNAMED_INDEX.fullmatch(name)}
