"""Read one value that a client sent, as the model's contract says.

The contract says which words mean missing, what a code is, and how numbers and dates are written.
`titlebout.data` reads whole columns of files by the same grammar (spec/formats.py). Tests compare
the two on generated values.
"""

import math
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from titlebout.spec import (
    CODE,
    FIRST_TWO_DIGIT_YEAR,
    ISO,
    LONGEST_FORMATTED,
    MONTHS,
    NUMBER,
    ZEROS_OF_A_CODE,
    Input,
    Missing,
    date_format,
    number_format,
)

EPOCH = datetime(1970, 1, 1)
HALF_A_DAY_HOURS = 12
Reader = Callable[[Any], Any]

_zeros = re.compile(ZEROS_OF_A_CODE)
_number = re.compile(NUMBER)
_common_iso = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")


def reader(column: Input, missing: Missing) -> Reader:
    """Return the function that reads one value of the column; it returns None for a missing value.

    The function raises ValueError for a wrong value.
    """
    read = {
        "number": _number_reader,
        "boolean": _boolean_reader,
        "category": _category_reader,
        "date": _date_reader,
    }[column.type]
    return read(column.format, missing)


def is_missing(value: Any) -> bool:
    """Tell whether the value is None, NaN, NaT or pandas' NA.

    Only NaN and NaT differ from themselves.
    """
    return value is None or type(value).__name__ == "NAType" or bool(value != value)  # noqa: PLR0124


def _category_reader(form: str | None, missing: Missing) -> Reader:
    words, numbers, code = missing.words, missing.numbers, form == CODE

    def read(value: Any) -> str | None:
        if isinstance(value, str):
            text = value.strip()
            if text in words or (numbers and _is_missing_number(text, missing)):
                return None
            return _strip_zeros(text) if code and "." in text else text
        if is_missing(value):
            return None
        raise ValueError("no text")

    return read


def _is_missing_number(text: str, missing: Missing) -> bool:
    return _number.fullmatch(text) is not None and float(text) in missing.numbers


def _strip_zeros(text: str) -> str:
    whole = _zeros.fullmatch(text)
    return text if whole is None else whole[1]


def _number_reader(form: str | None, missing: Missing) -> Reader:
    def read(value: Any) -> float | None:
        if isinstance(value, int | float | np.integer | np.floating) and not isinstance(
            value, bool
        ):
            # numpy's numbers are numbers, too.
            return None if missing.numbers and value in missing.numbers else value  # type: ignore[return-value]
        if is_missing(value):
            return None
        if not isinstance(value, str):
            raise ValueError("no number")
        text = value.strip()
        if text in missing.words:
            return None
        if form is None:
            raise ValueError("text, no number")
        number = read_number(text, form)
        return None if number in missing.numbers else number

    return read


def read_number(text: str, form: str) -> float:
    """Read a number written in the format.

    Raise ValueError for a text that is not written so.
    """
    grammar = number_format(form)
    if len(text) > LONGEST_FORMATTED:
        raise ValueError("longer than any number")
    found = _compile(grammar.pattern).fullmatch(text)
    if (
        found is None
        or bool(found["opening"]) != bool(found["closing"])
        or (found["sign"] and found["inner"])
    ):
        raise ValueError(f"not written as {form}")
    whole = "".join(sign for sign in found["whole"] or "" if sign not in grammar.thousands)
    # `float` refuses a text without digits.
    amount = float(f"{whole}.{found['fraction'] or ''}e{found['exponent'] or '0'}")
    return (
        -amount if found["opening"] or (found["sign"] or found["inner"] or "+") != "+" else amount
    )


def _boolean_reader(_form: str | None, missing: Missing) -> Reader:
    def read(value: Any) -> bool | None:
        if isinstance(value, bool | np.bool_):
            return bool(value)
        if is_missing(value) or (isinstance(value, str) and value.strip() in missing.words):
            return None
        if isinstance(value, int | float | np.integer | np.floating) and value in (0, 1):
            return bool(value)
        raise ValueError("neither true nor false")

    return read


def _date_reader(form: str | None, missing: Missing) -> Reader:
    form = form or ISO
    grammar = date_format(form)

    def read(value: Any) -> datetime | date | None:
        if isinstance(value, str):
            text = value.strip()
            if text in missing.words or (missing.numbers and _is_missing_number(text, missing)):
                return None
            return read_date(text, form)
        if is_missing(value):
            return None
        if isinstance(value, date):
            return value.replace(tzinfo=None) if isinstance(value, datetime) else value
        if (
            form == ISO
            or isinstance(value, bool)
            or not isinstance(value, int | float | np.integer | np.floating)
        ):
            raise ValueError("no date")
        if value in missing.numbers:
            return None
        text = _to_digits(value)
        if not grammar.unit and _compile(grammar.pattern).fullmatch(text) is None:
            # ISO 8601, which is read beside the format, is text.
            raise ValueError("a number, which is no date in the format")
        return read_date(text, form)

    return read


def _to_digits(value: Any) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def read_date(text: str, form: str) -> datetime:
    """Read the wall clock of a date; a zone is ignored.

    Raise ValueError for a text that is neither in the format nor, beside it, ISO 8601.
    """
    if form == ISO and _common_iso.fullmatch(text):
        return datetime.fromisoformat(text)  # what clients send most, ten times as fast
    grammar = date_format(form)
    if len(text) > LONGEST_FORMATTED:
        raise ValueError("longer than any date")
    if grammar.unit and _number.fullmatch(text):
        return _from_epoch(float(text) * grammar.unit)
    found = _compile(grammar.pattern).fullmatch(text) if grammar.pattern else None
    if found is not None:
        return _build_time({name: part for name, part in found.groupdict().items() if part})
    if form == ISO or not grammar.iso_too:
        raise ValueError(f"not written as {form}")
    return read_date(text, ISO)


def _from_epoch(microseconds: float) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=round(microseconds))
    except OverflowError as error:
        raise ValueError("no time of the calendar") from error


def _build_time(part: dict[str, str]) -> datetime:
    """Build the time from its parts.

    Raise ValueError for a day or an hour that no calendar has.
    """
    return datetime(
        year=int(part["year"]) if "year" in part else _expand_year(int(part["short"])),
        month=MONTHS.index(part["name"][:3].lower()) + 1 if "name" in part else int(part["month"]),
        day=int(part.get("day", 1)),
        hour=_to_24_hours(int(part.get("hour", 0)), part.get("half", "").lower()),
        minute=int(part.get("minute", 0)),
        second=int(part.get("second", 0)),
        microsecond=int(f"{part.get('fraction', ''):0<6}"[:6]),
    )


def _expand_year(short: int) -> int:
    return short + (1900 if short >= FIRST_TWO_DIGIT_YEAR else 2000)


def _to_24_hours(hour: int, half: str) -> int:
    """Return the hour of 24: 12 AM is hour 0, 12 PM is hour 12."""
    if not half:
        return hour
    if not 1 <= hour <= HALF_A_DAY_HOURS:
        raise ValueError("no hour of a half day")
    return hour % HALF_A_DAY_HOURS + (HALF_A_DAY_HOURS if half == "p" else 0)


@lru_cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
