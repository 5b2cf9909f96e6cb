"""Encode columns as clients send them into the columns that a fitted model takes.

Clients send JSON values, or the arrays of a frame. Training, the gate, batch scoring and the server
all encode here, so a value means the same everywhere. This module imports numpy alone.

| type     | sent as                                      | becomes                               |
|----------|----------------------------------------------|---------------------------------------|
| number   | a number, or text in the contract's format   | float32                               |
| boolean  | true or false, 1 or 0                        | float32 1 or 0                        |
| category | text                                         | text without surrounding space        |
| date     | ISO 8601 text, or text in the contract's     | float32, one column for each of       |
|          | format                                       | `.year .month .day .weekday .hour`    |

A missing value is sent as null, NaN or a missing word. It becomes NaN, or "" for a category.
A date counts as its wall clock shows it, whatever its zone; Monday is weekday 0.
"""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from titlebout.scoring.read_value import Reader, reader
from titlebout.spec import (
    ISO,
    Input,
    InputError,
    Missing,
    SpecError,
    shown_name,
    shown_names,
    shown_value,
)

Values = Sequence[Any] | NDArray[Any]
Encoded = dict[str, NDArray[Any]]
DATE_PARTS = ("year", "month", "day", "weekday", "hour")
# The search for a similar name takes the square of the one, times the other.
COMPARED_CHARACTERS = 100
COMPARED_NAMES = 200
# Both scikit-learn's trees and ONNX compute in float32.
LARGEST_NUMBER = float(np.finfo(np.float32).max)
PLAIN_NUMBERS = frozenset({int, float, type(None)})
MONTHS_A_YEAR, DAYS_A_WEEK, EPOCH_YEAR, EPOCH_WEEKDAY = 12, 7, 1970, 3  # 1970-01-01 was a Thursday


class Encoder:
    """Encode the columns of one contract; make it once and use it for every request.

    A frame in wire form was read already: it has no missing words any more.
    """

    def __init__(self, inputs: Sequence[Input], *, missing: Collection[str] = ()) -> None:
        self.inputs = inputs
        words = Missing.of(missing)
        self.columns = {
            column.name: _Column(column, reader(column, words), words) for column in inputs
        }
        self._encoders = [
            (name, column.type == "date", _ENCODERS[column.type], self.columns[name])
            for name, column in zip(self.columns, inputs, strict=True)
        ]
        self._numbers = [self.columns[column.name] for column in inputs if column.type == "number"]

    def encode(self, columns: Mapping[str, Values]) -> Encoded:
        """Return one array of shape (rows,) per model column, in the order of `model_columns`.

        Raise InputError that names the column if a column or a value is wrong.
        """
        _check_names(self.inputs, columns)
        _check_lengths(columns)
        encoded: Encoded = {}
        with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused as that
            for name, is_date, encode_column, column in self._encoders:
                if is_date:
                    encoded.update(encode_column(column, columns[name]))
                else:
                    encoded[name] = encode_column(column, columns[name])
        _check_finite(self._numbers, columns, encoded)
        return encoded


def encode(inputs: Sequence[Input], columns: Mapping[str, Values]) -> Encoded:
    """Encode columns in wire form."""
    return Encoder(inputs).encode(columns)


def predictor_columns(X: Any) -> Encoded:
    """Return a frame of model columns as a predictor takes them: one array per column."""
    return {str(name): X[name].to_numpy() for name in X}


def model_columns(inputs: Sequence[Input]) -> list[tuple[str, Literal["number", "text"]]]:
    """Return name and kind of every model column, in order.

    Raise SpecError if two columns have the same name.
    """
    columns: list[tuple[str, Literal["number", "text"]]] = []
    for column in inputs:
        if column.type == "date":
            columns += [(f"{column.name}.{part}", "number") for part in DATE_PARTS]
        else:
            columns.append((column.name, "text" if column.type == "category" else "number"))
    names = [name for name, _ in columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SpecError(
            "the model's columns",
            expected="one column per name",
            found=f"twice: {', '.join(repeated)}",
            next_step="rename one",
        )
    return columns


def _check_names(inputs: Sequence[Input], columns: Mapping[str, Values]) -> None:
    names = [column.name for column in inputs]
    for name in names:
        if name not in columns:
            raise absent_column(name)
    if len(columns) > len(names):
        raise unknown_column(next(name for name in columns if name not in names), names)


def absent_column(name: str, row: int | None = None) -> InputError:
    """Return the error for a column of the contract that was not sent."""
    return InputError(
        _name_subject(name, row),
        expected="a value, or null if it is missing",
        found="no such column",
        next_step="add the column",
    )


def unknown_column(name: object, known: Sequence[str], row: int | None = None) -> InputError:
    """Return the error for a column that the contract does not have; suggest a similar name."""
    comparable = (
        isinstance(name, str) and len(name) <= COMPARED_CHARACTERS and len(known) <= COMPARED_NAMES
    )
    similar = difflib.get_close_matches(str(name), known, n=1) if comparable else []
    next_step = f"did you mean {similar[0]!r}? Rename it" if similar else "leave it out"
    return InputError(
        _name_subject(name, row),
        expected=f"only {shown_names(known)}",
        found="an unknown column",
        next_step=next_step,
    )


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


def _check_finite(
    numbers: "Sequence[_Column]", columns: Mapping[str, Values], encoded: Encoded
) -> None:
    """Raise InputError for a number that is infinite in float32.

    All columns are checked together: a check per column would take half the time of encoding one
    row.
    """
    if numbers and np.isinf(np.concatenate([encoded[column.name] for column in numbers])).any():
        column = next(column for column in numbers if np.isinf(encoded[column.name]).any())
        _refuse_infinite(column, columns[column.name])


def _refuse_infinite(column: "_Column", values: Values) -> NoReturn:
    _refuse(
        column.name,
        _to_list(values),
        lambda value: _is_infinite(column.read(value)),
        "a finite number of at most 3.4e38 in size, or null",
    )


class _Column(NamedTuple):
    """Hold one column and the function that reads one of its values."""

    input: Input
    read: Reader
    missing: Missing

    @property
    def name(self) -> str:
        """Return the column's name."""
        return self.input.name


def _encode_number(column: _Column, values: Values) -> NDArray[np.float32]:
    if not column.missing.numbers:
        if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
            return values.astype(np.float32)
        values = _to_list(values)
        if set(map(type, values)) <= PLAIN_NUMBERS:
            return _to_float32(column, values)
    return _to_float32(column, _read_values(column, values))


def _to_float32(column: _Column, values: Sequence[Any]) -> NDArray[np.float32]:
    try:
        return np.asarray(values, dtype=np.float32)
    except OverflowError:  # an integer beyond float64
        _refuse_infinite(column, values)


def _is_infinite(value: Any) -> bool:
    return value is not None and (value > LARGEST_NUMBER or value < -LARGEST_NUMBER)


def _encode_boolean(column: _Column, values: Values) -> NDArray[np.float32]:
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        return values.astype(np.float32)
    values = _to_list(values)
    if not set(map(type, values)) <= {bool, type(None)}:
        values = _read_values(column, values)
    return np.array(values, dtype=np.float32)


def _encode_category(column: _Column, values: Values) -> NDArray[np.object_]:
    read = column.read
    try:
        return np.array([read(value) or "" for value in _to_list(values)], dtype=object)
    except ValueError:
        _refuse_wrong(column, values)


def _encode_date(column: _Column, values: Values) -> Encoded:
    times = (
        values
        if isinstance(values, np.ndarray) and values.dtype.kind == "M"
        else np.array(_read_values(column, values), dtype="datetime64[s]")
    )
    days, months = times.astype("datetime64[D]"), times.astype("datetime64[M]")
    parts = {
        "year": months.astype(np.int64) // MONTHS_A_YEAR + EPOCH_YEAR,
        "month": months.astype(np.int64) % MONTHS_A_YEAR + 1,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64) + 1,
        "weekday": (days.astype(np.int64) + EPOCH_WEEKDAY) % DAYS_A_WEEK,
        "hour": (times.astype("datetime64[h]") - days).astype(np.int64),
    }
    missing = np.isnat(times)
    return {
        f"{column.name}.{part}": np.where(missing, np.float32("nan"), parts[part]).astype(
            np.float32
        )
        for part in DATE_PARTS
    }


def _read_values(column: _Column, values: Values) -> list[Any]:
    try:
        return list(map(column.read, _to_list(values)))
    except ValueError:
        _refuse_wrong(column, values)


def _refuse_wrong(column: _Column, values: Values) -> NoReturn:
    def is_wrong(value: Any) -> bool:
        try:
            column.read(value)
        except ValueError:
            return True
        return False

    _refuse(column.name, _to_list(values), is_wrong, f"{_describe_expected(column.input)} or null")


def _describe_expected(column: Input) -> str:
    if column.type == "date":
        own_format = (
            ""
            if column.format in (None, ISO)
            else f", or as the contract's format {column.format} says"
        )
        return f"a date as ISO 8601 text, such as 2013-07-04 or 2013-07-04T17:30{own_format},"
    if column.type == "number":
        return (
            "a number"
            if column.format is None
            else f"a number, or text written as {column.format},"
        )
    return {"boolean": "true, false", "category": "text"}[column.type]


def _to_list(values: Values) -> Sequence[Any]:
    """Return a list of Python or numpy scalars.

    Checking those by type is three times faster than through an object array.
    """
    return values.astype(object).tolist() if isinstance(values, np.ndarray) else values


def _refuse(name: str, values: Values, is_wrong: Callable[[Any], bool], expected: str) -> NoReturn:
    row, wrong = next((row, value) for row, value in enumerate(values) if is_wrong(value))
    subject = _name_subject(name, row if len(values) > 1 else None)
    raise InputError(
        subject, expected=expected, found=shown_value(wrong), next_step="correct the value"
    )


def _name_subject(name: object, row: int | None) -> str:
    """Name the column and the row; rows count from 0, as in the list that was sent."""
    named = f"column {shown_name(name)!r}"
    return named if row is None else f"row {row}, {named}"


_ENCODERS: dict[str, Callable[[_Column, Values], Any]] = {
    "number": _encode_number,
    "boolean": _encode_boolean,
    "category": _encode_category,
    "date": _encode_date,
}
