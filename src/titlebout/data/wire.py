"""Convert a plain source column to wire form, in which clients send it.

Wire form is float64, nullable boolean, text or datetime64[us].
Every value is read by the column's format alone. Other rows of the file do not change it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.parse import parse_epochs, parse_numbers, parse_times, parse_truths
from titlebout.spec import CODE, EPOCH_UNITS, ISO, TEXT, ZEROS_OF_A_CODE, ColumnType


class Wired(NamedTuple):
    """Hold a column in wire form.

    `wrong` marks the rows whose value is not of the column's type. In `values` it is missing.
    """

    values: "pd.Series[Any]"
    wrong: NDArray[np.bool_]


def to_wire(values: "pd.Series[Any]", kind: ColumnType, form: str | None) -> Wired:
    """Return the column in wire form.

    Without a format, numbers are plain, dates are ISO 8601, and texts stay as they are written.
    """
    wired = _CONVERTERS[kind](values, form)
    return Wired(wired, values.notna().to_numpy() & wired.isna().to_numpy())


def _to_number(values: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    """Return float64; an infinity becomes missing."""
    if values.dtype.kind == "M":
        return pd.Series(np.nan, index=values.index)
    exact = (
        values.to_numpy(dtype=np.float64)
        if values.dtype.kind in "bif"
        else parse_numbers(values, form)
    )
    return pd.Series(np.where(np.isfinite(exact), exact, np.nan), index=values.index)


def _to_boolean(values: "pd.Series[Any]", _form: str | None) -> "pd.Series[Any]":
    """Return nullable booleans; 0 and 1 and the usual words are read, too."""
    return (
        values.astype("boolean")
        if values.dtype.kind == "b"
        else parse_truths(category_texts(values, TEXT))
    )


def category_texts(values: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    """Return texts without surrounding space, and codes without decimal zeros.

    A missing value beside a code 3 may have made it 3.0.
    """
    if values.dtype.kind == "f":
        texts = {value: _write_float(value, form) for value in values.dropna().unique()}
        return values.map(texts).astype("str")
    if values.dtype.kind in "bi":
        return values.astype(object).map(str).astype("str")
    if values.dtype.kind == "M":
        return values.map(_write_time, na_action="ignore").astype("str")
    trimmed = values.astype("str").str.strip()
    if form != CODE:
        return trimmed
    return trimmed.str.replace(f"^{ZEROS_OF_A_CODE}$", r"\1", regex=True)


def _write_float(value: float, form: str | None) -> str:
    return (
        str(int(value))
        if form == CODE and np.isfinite(value) and value == np.floor(value)
        else repr(float(value))
    )


def _write_time(time: pd.Timestamp) -> str:
    return time.date().isoformat() if time == time.normalize() else time.isoformat(sep=" ")


def _to_date(values: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    if values.dtype.kind == "M":
        return values
    if values.dtype.kind in "if" and form in EPOCH_UNITS:
        return pd.Series(parse_epochs(values.to_numpy(dtype=np.float64), form), index=values.index)
    return pd.Series(parse_times(category_texts(values, CODE), form or ISO), index=values.index)


_CONVERTERS: dict[ColumnType, Callable[["pd.Series[Any]", str | None], "pd.Series[Any]"]] = {
    "number": _to_number,
    "boolean": _to_boolean,
    "category": category_texts,
    "date": _to_date,
}
