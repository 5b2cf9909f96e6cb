"""From columns as clients send them (JSON values, or the arrays of a frame) to the columns that a fitted model takes.

Training, the gate, batch scoring and the server all encode here, so a value means the same everywhere. numpy only.

| type     | sent as (missing: null, NaN)                  | becomes                                                              |
|----------|-----------------------------------------------|----------------------------------------------------------------------|
| number   | a number; true and false are none             | float32, missing NaN                                                 |
| boolean  | true or false                                 | float32 1 or 0, missing NaN                                          |
| category | text                                          | text, missing ""                                                     |
| date     | ISO 8601 text, a datetime, or datetime64      | float32 `.year .month .day .weekday .hour`, missing NaN              |

A date counts as its wall clock shows it, whatever its zone; Monday is weekday 0.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from titlebout.serve.shown import shown_name, shown_names, shown_value
from titlebout.spec import Input, InputError, SpecError

Values = Sequence[Any] | NDArray[Any]
Encoded = dict[str, NDArray[Any]]
DATE_PARTS = ("year", "month", "day", "weekday", "hour")
COMPARED_CHARACTERS, COMPARED_NAMES = 100, 200  # the search for a similar name takes the square of one, times the other
DATE_CHARACTERS = 100  # longer is no date, and Python's own message would repeat it all
LARGEST_NUMBER = float(np.finfo(np.float32).max)  # both scikit-learn's trees and ONNX compute in float32
PLAIN_NUMBERS = frozenset({int, float, type(None)})
MONTHS_A_YEAR, DAYS_A_WEEK, EPOCH_YEAR, EPOCH_WEEKDAY = 12, 7, 1970, 3  # 1970-01-01 was a Thursday


def encode(inputs: Sequence[Input], columns: Mapping[str, Values]) -> Encoded:
    """One array of shape (rows,) per model column, in the order of `model_columns`; raises InputError naming the column."""
    _check_names(inputs, columns)
    _check_lengths(columns)
    encoded: Encoded = {}
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused as that
        for column in inputs:
            values = columns[column.name]
            if column.type == "date":
                encoded.update(_date(column.name, values))
            else:
                encoded[column.name] = _ENCODERS[column.type](column.name, values)
    _check_finite([column.name for column in inputs if column.type == "number"], columns, encoded)
    return encoded


def model_columns(inputs: Sequence[Input]) -> list[tuple[str, Literal["number", "text"]]]:
    """Name and kind of every model column, in order; raises SpecError if two columns would bear one name."""
    columns: list[tuple[str, Literal["number", "text"]]] = []
    for column in inputs:
        if column.type == "date":
            columns += [(f"{column.name}.{part}", "number") for part in DATE_PARTS]
        else:
            columns.append((column.name, "text" if column.type == "category" else "number"))
    names = [name for name, _ in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SpecError("the model's columns", expected="one column per name", found=f"twice: {', '.join(twice)}", next_step="rename one")
    return columns


def _check_names(inputs: Sequence[Input], columns: Mapping[str, Values]) -> None:
    names = [column.name for column in inputs]
    for name in names:
        if name not in columns:
            raise absent_column(name)
    if len(columns) > len(names):
        raise unknown_column(next(name for name in columns if name not in names), names)


def absent_column(name: str, row: int | None = None) -> InputError:
    return InputError(_subject(name, row), expected="a value, or null if it is missing", found="no such column", next_step="add the column")


def unknown_column(name: object, known: Sequence[str], row: int | None = None) -> InputError:
    comparable = isinstance(name, str) and len(name) <= COMPARED_CHARACTERS and len(known) <= COMPARED_NAMES
    near = difflib.get_close_matches(str(name), known, n=1) if comparable else []
    next_step = f"did you mean {near[0]!r}? Rename it" if near else "leave it out"
    return InputError(_subject(name, row), expected=f"only {shown_names(known)}", found="an unknown column", next_step=next_step)


def _check_lengths(columns: Mapping[str, Values]) -> None:
    if len(set(map(len, columns.values()))) > 1:
        (first, rows), *others = ((name, len(values)) for name, values in columns.items())
        other, found = next((name, length) for name, length in others if length != rows)
        raise InputError(
            f"column {other!r}",
            expected=f"{rows} values, as in column {first!r}",
            found=f"{found} values",
            next_step="send columns of one length",
        )


def _check_finite(names: Sequence[str], columns: Mapping[str, Values], encoded: Encoded) -> None:
    """All columns in one go: a check per column would take half the time of encoding one row."""
    if names and np.isinf(np.concatenate([encoded[name] for name in names])).any():
        name = next(name for name in names if np.isinf(encoded[name]).any())
        _refuse_infinite(name, columns[name])


def _refuse_infinite(name: str, values: Values) -> NoReturn:
    _refuse(name, values, _is_infinite, "a finite number of at most 3.4e38 in size, or null")


def _number(name: str, values: Values) -> NDArray[np.float32]:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        values = _plain(values)
        if not (set(map(type, values)) <= PLAIN_NUMBERS or all(map(_is_number, values))):
            _refuse(name, values, lambda value: not _is_number(value), "a number or null")
    try:
        return np.asarray(values, dtype=np.float32)
    except OverflowError:  # an integer beyond float64
        _refuse_infinite(name, values)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool))


def _is_infinite(value: Any) -> bool:
    return value is not None and abs(value) > LARGEST_NUMBER


def _boolean(name: str, values: Values) -> NDArray[np.float32]:
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        return values.astype(np.float32)
    values = _plain(values)
    if not set(map(type, values)) <= {bool, np.bool_, type(None)}:
        values = [None if _is_missing(value) else value for value in values]
        _refuse_any(name, values, lambda value: not isinstance(value, bool | np.bool_ | None), "true, false or null")
    return np.array(values, dtype=np.float32)


def _category(name: str, values: Values) -> NDArray[np.object_]:
    values = _plain(values)
    kinds = set(map(type, values))
    if kinds != {str}:
        values = ["" if _is_missing(value) else value for value in values]
        _refuse_any(name, values, lambda value: not isinstance(value, str), "text or null")
    return np.array(values, dtype=object)


def _date(name: str, values: Values) -> Encoded:
    times = values if isinstance(values, np.ndarray) and values.dtype.kind == "M" else _times(name, _plain(values))
    days, months = times.astype("datetime64[D]"), times.astype("datetime64[M]")
    parts = {
        "year": months.astype(np.int64) // MONTHS_A_YEAR + EPOCH_YEAR,
        "month": months.astype(np.int64) % MONTHS_A_YEAR + 1,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": (days.astype(np.int64) + EPOCH_WEEKDAY) % DAYS_A_WEEK,
        "hour": (times.astype("datetime64[h]") - days).astype(np.int64),
    }
    missing = np.isnat(times)
    return {f"{name}.{part}": np.where(missing, np.float32("nan"), parts[part]).astype(np.float32) for part in DATE_PARTS}


def _times(name: str, values: Sequence[Any]) -> NDArray[np.datetime64]:
    try:
        return np.array([wall_clock(value) for value in values], dtype="datetime64[s]")
    except (TypeError, ValueError):
        _refuse(name, values, _is_no_date, "a date as ISO 8601 text, such as 2013-07-04 or 2013-07-04T17:30, or null")


def wall_clock(value: Any) -> datetime | date | None:
    """Without its zone; raises TypeError or ValueError if it is no date."""
    if _is_missing(value):
        return None
    if isinstance(value, str) and len(value) > DATE_CHARACTERS:
        raise ValueError("too long for a date")
    moment = datetime.fromisoformat(value) if not isinstance(value, date) else value
    return moment.replace(tzinfo=None) if isinstance(moment, datetime) else moment


def _is_no_date(value: Any) -> bool:
    try:
        wall_clock(value)
    except (TypeError, ValueError):
        return True
    return False


def _plain(values: Values) -> Sequence[Any]:
    """A list of Python or numpy scalars: checking those by type is three times faster than through an object array."""
    return values.astype(object).tolist() if isinstance(values, np.ndarray) else values


def _is_missing(value: Any) -> bool:
    """None, NaN or NaT; only they differ from themselves."""
    return value is None or bool(value != value)  # noqa: PLR0124


def _refuse_any(name: str, values: Sequence[Any], is_wrong: Callable[[Any], bool], expected: str) -> None:
    if any(map(is_wrong, values)):
        _refuse(name, values, is_wrong, expected)


def _refuse(name: str, values: Values, is_wrong: Callable[[Any], bool], expected: str) -> NoReturn:
    row, wrong = next((row, value) for row, value in enumerate(values) if is_wrong(value))
    subject = _subject(name, row if len(values) > 1 else None)
    raise InputError(subject, expected=expected, found=shown_value(wrong), next_step="correct the value")


def _subject(name: object, row: int | None) -> str:
    """Rows count from 0, as in the list that was sent."""
    named = f"column {shown_name(name)!r}"
    return named if row is None else f"row {row}, {named}"


_ENCODERS: dict[str, Callable[[str, Values], NDArray[Any]]] = {"number": _number, "boolean": _boolean, "category": _category}
