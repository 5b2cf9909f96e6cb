"""Guess which type all values of an unknown column have, and in which format they are written."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data import (
    COMPACT_DAYS,
    COMPACT_FORMATS,
    EPOCH_SECONDS,
    ColumnReading,
    decide_reading,
    matches_format,
    parse_numbers,
    to_wire,
)
from titlebout.spec import EPOCH_UNITS, ISO, TEXT, ColumnType

LEADING_ZERO = r"0[0-9]+"
TRUE_OR_FALSE = r"(?i:true|false)"
FIRST_VALUES = 1_000
DAY_SECONDS = 86_400  # values in a narrower band are hardly times


class Look(NamedTuple):
    """Hold a column's type. For `format` and `rivals` see `titlebout.data.ColumnReading`."""

    kind: ColumnType
    format: str | None = None
    rivals: tuple[str, ...] = ()


def look_at(present: "pd.Series[Any]") -> Look:
    """Return the type and format of the present values.

    The specific rule comes first. What is not a truth value, a number or a date is a category.
    """
    plain = present.dtype.kind
    if plain == "b":
        return Look("boolean")
    if plain == "M":
        return Look("date", ISO)
    return _look_at_numbers(present) if plain in "if" else _look_at_texts(present)


def _look_at_numbers(values: "pd.Series[Any]") -> Look:
    if values.isin((0, 1)).all():
        return Look("boolean")
    whole = bool((values == np.floor(values)).all())
    if whole and (compact := _find_compact_format(values)):
        return Look("date", compact)
    epoch = _find_epoch_unit(values, whole=whole)
    return Look("date", epoch) if epoch else Look("number")


def _find_compact_format(values: "pd.Series[Any]") -> str | None:
    """Return the format of whole numbers whose digits are all a day, perhaps with its time."""
    days = {form: values // in_a_day for form, in_a_day in COMPACT_FORMATS.items()}
    return next(
        (
            form
            for form, day in days.items()
            if day.between(*COMPACT_DAYS).all() and not to_wire(values, "date", form).wrong.any()
        ),
        None,
    )


def _find_epoch_unit(values: "pd.Series[Any]", *, whole: bool) -> str | None:
    """Return the unit of times that count from 1970, or None.

    They all lie from 2000 to 2040, span more than a day, and do not count the rows.
    """
    if whole and (values.nunique() < 2 or values.max() - values.min() == values.nunique() - 1):
        return None
    seconds = {
        form: values * (unit / EPOCH_UNITS["epoch_s"])
        for form, unit in EPOCH_UNITS.items()
        if whole or form == "epoch_s"
    }
    return next(
        (
            form
            for form, amount in seconds.items()
            if amount.between(*EPOCH_SECONDS).all() and np.ptp(amount) > DAY_SECONDS
        ),
        None,
    )


def _look_at_texts(texts: "pd.Series[Any]") -> Look:
    if matches_format(texts, TRUE_OR_FALSE).all():
        return Look("boolean")
    exact = parse_numbers(texts)
    if not np.isnan(exact).any():
        return (
            Look("category", _category_format(texts))
            if matches_format(texts, LEADING_ZERO).any()
            else _look_at_numbers(pd.Series(exact))
        )
    for kind in ("number", "date"):
        decision = best_reading(texts, kind)
        if decision.read == 1:
            return Look(kind, decision.format, decision.rivals)
    return Look("category", _category_format(texts))


def best_reading(texts: "pd.Series[Any]", kind: ColumnType) -> ColumnReading:
    """Return what `decide_reading` decides.

    The first values come first, as they exclude most columns of a large table.
    """
    first = decide_reading(texts.head(FIRST_VALUES), kind)
    return first if first.read < 0.5 or len(texts) <= FIRST_VALUES else decide_reading(texts, kind)


def _category_format(texts: "pd.Series[Any]") -> str:
    return decide_reading(texts, "category").format or TEXT
