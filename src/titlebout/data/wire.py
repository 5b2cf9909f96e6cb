"""From a plain source column to the form in which clients send it: float64, nullable boolean, text, datetime64[us].

Every row is read by the column's format alone: what stands in other rows, or which rows a file holds, changes nothing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.parse import parse_epochs, parse_numbers, parse_times, parse_truths
from titlebout.spec import CODE, EPOCH_UNITS, ISO, TEXT, ZEROS_OF_A_CODE, ColumnType


class Wired(NamedTuple):
    """`wrong` marks the rows whose value is not missing and yet none of the type; their value is missing."""

    values: "pd.Series[Any]"
    wrong: NDArray[np.bool_]


def to_wire(values: "pd.Series[Any]", kind: ColumnType, form: str | None) -> Wired:
    """Without a format, numbers are plain, dates ISO 8601, and texts stand as they are written."""
    wired = _CONVERTERS[kind](values, form)
    return Wired(wired, values.notna().to_numpy() & wired.isna().to_numpy())


def _number(values: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    """Infinities are no numbers."""
    if values.dtype.kind == "M":
        return pd.Series(np.nan, index=values.index)
    exact = (
        values.to_numpy(dtype=np.float64)
        if values.dtype.kind in "bif"
        else parse_numbers(values, form)
    )
    return pd.Series(np.where(np.isfinite(exact), exact, np.nan), index=values.index)


def _boolean(values: "pd.Series[Any]", _form: str | None) -> "pd.Series[Any]":
    """Also 0 and 1, and the usual words."""
    return (
        values.astype("boolean")
        if values.dtype.kind == "b"
        else parse_truths(category_texts(values, TEXT))
    )


def category_texts(values: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    """Without surrounding space; a code, which 3.0 may have become by a missing value beside it, without its zeros."""
    if values.dtype.kind == "f":
        words = {value: _float_text(value, form) for value in values.dropna().unique()}
        return values.map(words).astype("str")
    if values.dtype.kind in "bi":
        return values.astype(object).map(str).astype("str")
    if values.dtype.kind == "M":
        return values.map(_time_text, na_action="ignore").astype("str")
    texts = values.astype("str").str.strip()
    return texts.str.replace(f"^{ZEROS_OF_A_CODE}$", r"\1", regex=True) if form == CODE else texts


def _float_text(value: float, form: str | None) -> str:
    return (
        str(int(value))
        if form == CODE and np.isfinite(value) and value == np.floor(value)
        else repr(float(value))
    )


def _time_text(time: pd.Timestamp) -> str:
    return time.date().isoformat() if time == time.normalize() else time.isoformat(sep=" ")


def _date(values: "pd.Series[Any]", form: str | None) -> "pd.Series[Any]":
    if values.dtype.kind == "M":
        return values
    if values.dtype.kind in "if" and form in EPOCH_UNITS:
        return pd.Series(parse_epochs(values.to_numpy(dtype=np.float64), form), index=values.index)
    return pd.Series(parse_times(category_texts(values, CODE), form or ISO), index=values.index)


_CONVERTERS: dict[ColumnType, Callable[["pd.Series[Any]", str | None], "pd.Series[Any]"]] = {
    "number": _number,
    "boolean": _boolean,
    "category": category_texts,
    "date": _date,
}
