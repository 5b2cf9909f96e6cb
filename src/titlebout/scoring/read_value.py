"""Read one value that a client sent as the model's contract says: missing words, codes, and numbers and dates in the contract's format.

`titlebout.data` reads whole columns of files by the same grammar (spec/formats.py); tests compare the two on generated values.
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
    """Return the function that reads one value of the column, None if it is missing; it raises ValueError for a wrong value."""
    read = {
        "number": _number_reader,
        "boolean": _boolean_reader,
        "category": _category_reader,
        "date": _date_reader,
    }[column.type]
    return read(column.format, missing)


def is_missing(value: Any) -> bool:
    """Tell None, NaN, NaT and pandas' NA; only NaN and NaT differ from themselves."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)  # noqa: PLR0124


def _category_reader(form: str | None, missing: Missing) -> Reader:
    words, numbers, code = missing.words, missing.numbers, form == CODE

    def read(value: Any) -> str | None:
        if isinstance(value, str):
            word = value.strip()
            if word in words or (numbers and _missing_number(word, missing)):
                return None
            return _without_zeros(word) if code and "." in word else word
        if is_missing(value):
            return None
        raise ValueError("no text")

    return read


def _missing_number(word: str, missing: Missing) -> bool:
    return _number.fullmatch(word) is not None and float(word) in missing.numbers


def _without_zeros(word: str) -> str:
    whole = _zeros.fullmatch(word)
    return word if whole is None else whole[1]


def _number_reader(form: str | None, missing: Missing) -> Reader:
    def read(value: Any) -> float | None:
        if isinstance(value, int | float | np.integer | np.floating) and not isinstance(
            value, bool
        ):
            return None if missing.numbers and value in missing.numbers else value  # type: ignore[return-value]  # numpy's are numbers, too
        if is_missing(value):
            return None
        if not isinstance(value, str):
            raise ValueError("no number")
        word = value.strip()
        if word in missing.words:
            return None
        if form is None:
            raise ValueError("text, no number")
        number = read_number(word, form)
        return None if number in missing.numbers else number

    return read


def read_number(word: str, form: str) -> float:
    """Raises ValueError for a text that is not written in the format."""
    written = number_format(form)
    if len(word) > LONGEST_FORMATTED:
        raise ValueError("longer than any number")
    found = _compiled(written.pattern).fullmatch(word)
    if (
        found is None
        or bool(found["opening"]) != bool(found["closing"])
        or (found["sign"] and found["inner"])
    ):
        raise ValueError(f"not written as {form}")
    whole = "".join(sign for sign in found["whole"] or "" if sign not in written.thousands)
    amount = float(
        f"{whole}.{found['fraction'] or ''}e{found['exponent'] or '0'}"
    )  # refuses a text without digits
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
    written = date_format(form)

    def read(value: Any) -> datetime | date | None:
        if isinstance(value, str):
            word = value.strip()
            if word in missing.words or (missing.numbers and _missing_number(word, missing)):
                return None
            return read_date(word, form)
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
        word = _digits(value)
        if not written.unit and _compiled(written.pattern).fullmatch(word) is None:
            raise ValueError(
                "a number, which is no date in the format"
            )  # ISO 8601, which is read beside the format, is text
        return read_date(word, form)

    return read


def _digits(value: Any) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def read_date(word: str, form: str) -> datetime:
    """Return the wall clock, zones left aside; raises ValueError for a text that is neither in the format nor, beside it, ISO 8601."""
    if form == ISO and _common_iso.fullmatch(word):
        return datetime.fromisoformat(word)  # what clients send most, ten times as fast
    written = date_format(form)
    if len(word) > LONGEST_FORMATTED:
        raise ValueError("longer than any date")
    if written.unit and _number.fullmatch(word):
        return _epoch(float(word) * written.unit)
    found = _compiled(written.pattern).fullmatch(word) if written.pattern else None
    if found is not None:
        return _moment({name: part for name, part in found.groupdict().items() if part})
    if form == ISO or not written.iso_too:
        raise ValueError(f"not written as {form}")
    return read_date(word, ISO)


def _epoch(microseconds: float) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=round(microseconds))
    except OverflowError as error:
        raise ValueError("no time of the calendar") from error


def _moment(part: dict[str, str]) -> datetime:
    """Raises ValueError for a day or an hour that no calendar has."""
    return datetime(
        year=int(part["year"]) if "year" in part else _whole_year(int(part["short"])),
        month=MONTHS.index(part["name"][:3].lower()) + 1 if "name" in part else int(part["month"]),
        day=int(part.get("day", 1)),
        hour=_hour(int(part.get("hour", 0)), part.get("half", "").lower()),
        minute=int(part.get("minute", 0)),
        second=int(part.get("second", 0)),
        microsecond=int(f"{part.get('fraction', ''):0<6}"[:6]),
    )


def _whole_year(short: int) -> int:
    return short + (1900 if short >= FIRST_TWO_DIGIT_YEAR else 2000)


def _hour(hour: int, half: str) -> int:
    """12 AM is the first hour of the day, 12 PM the first of its second half."""
    if not half:
        return hour
    if not 1 <= hour <= HALF_A_DAY_HOURS:
        raise ValueError("no hour of a half day")
    return hour % HALF_A_DAY_HOURS + (HALF_A_DAY_HOURS if half == "p" else 0)


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
