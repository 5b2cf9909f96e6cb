"""From a plain source column to the form in which clients send it: float64, nullable boolean, text, datetime64[us]."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.texts import iso_times, matches, numbers, truths
from titlebout.spec import ColumnType

DATES = ("%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y")
DATE_FORMATS = tuple(day + clock for day in DATES for clock in ("", " %H:%M", " %H:%M:%S"))
WHOLE_WITH_ZEROS = r"^[+-]?\d+\.0+$"
WHOLE = r"^[+-]?\d+(\.0+)?$"


class Wired(NamedTuple):
    """`wrong` marks the rows whose value is not missing and yet none of the type; their value is missing."""

    values: "pd.Series[Any]"
    wrong: NDArray[np.bool_]


def to_wire(values: "pd.Series[Any]", kind: ColumnType) -> Wired:
    wired = _CONVERTERS[kind](values)
    return Wired(wired, values.notna().to_numpy() & wired.isna().to_numpy())


def _number(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Infinities are no numbers."""
    if values.dtype.kind == "M":
        return pd.Series(np.nan, index=values.index)
    exact = values.to_numpy(dtype=np.float64) if values.dtype.kind in "bif" else numbers(values)
    return pd.Series(np.where(np.isfinite(exact), exact, np.nan), index=values.index)


def _boolean(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Also 0 and 1, and the usual words."""
    if values.dtype.kind == "b":
        return values.astype("boolean")
    return truths(category_texts(values))


def category_texts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Whole numbers without a decimal point: a column of codes that holds missing values reads 3, not 3.0."""
    if values.dtype.kind == "f":
        return _float_texts(values)
    if values.dtype.kind in "bi":
        return values.astype(object).map(str).astype("str")
    texts = values.astype("str")
    if matches(texts, WHOLE_WITH_ZEROS).any() and (matches(texts, WHOLE) | texts.isna().to_numpy()).all():
        return texts.str.replace(r"\.0+$", "", regex=True)
    return texts


def _float_texts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    present = values.dropna()
    whole = bool((np.isfinite(present) & (present == np.floor(present))).all())
    words = {value: str(int(value)) if whole else repr(float(value)) for value in present.unique()}
    return values.map(words).astype("str")


def _date(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """One format for the whole column: ISO, or the first that reads the most of it; month before day where both would do."""
    if values.dtype.kind == "M":
        return values
    texts = category_texts(values)
    best = iso_times(texts)
    for form in DATE_FORMATS:
        if np.isnat(best).sum() == texts.isna().sum():
            break
        other = np.asarray(pd.to_datetime(texts, format=form, errors="coerce"), dtype="datetime64[us]")
        best = other if np.isnat(other).sum() < np.isnat(best).sum() else best
    return pd.Series(best, index=values.index)


_CONVERTERS: dict[ColumnType, Callable[["pd.Series[Any]"], "pd.Series[Any]"]] = {
    "number": _number,
    "boolean": _boolean,
    "category": category_texts,
    "date": _date,
}
