"""From columns as clients send them (JSON values, or the arrays of a frame) to the columns that a fitted model takes.

Training, the gate, batch scoring and the server all encode here, so a value means the same everywhere. numpy only.

| type     | sent as (missing: null, NaN, a missing word)      | becomes                                                              |
|----------|---------------------------------------------------|----------------------------------------------------------------------|
| number   | a number, or text in the contract's format        | float32, missing NaN                                                 |
| boolean  | true or false, 1 or 0                             | float32 1 or 0, missing NaN                                          |
| category | text                                              | text without surrounding space, missing ""                           |
| date     | ISO 8601 text, or as the contract's format says   | float32 `.year .month .day .weekday .hour`, missing NaN              |

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
COMPARED_CHARACTERS, COMPARED_NAMES = (
    100,
    200,
)  # the search for a similar name takes the square of one, times the other
LARGEST_NUMBER = float(
    np.finfo(np.float32).max
)  # both scikit-learn's trees and ONNX compute in float32
PLAIN_NUMBERS = frozenset({int, float, type(None)})
MONTHS_A_YEAR, DAYS_A_WEEK, EPOCH_YEAR, EPOCH_WEEKDAY = 12, 7, 1970, 3  # 1970-01-01 was a Thursday


class Encoder:
    """Made once for a contract; a frame in wire form, which was read already, has no missing words any more."""

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
        """One array of shape (rows,) per model column, in the order of `model_columns`; raises InputError naming the column."""
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
    """Name and kind of every model column, in order; raises SpecError if two columns would bear one name."""
    columns: list[tuple[str, Literal["number", "text"]]] = []
    for column in inputs:
        if column.type == "date":
            columns += [(f"{column.name}.{part}", "number") for part in DATE_PARTS]
        else:
            columns.append((column.name, "text" if column.type == "category" else "number"))
    names = [name for name, _ in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SpecError(
            "the model's columns",
            expected="one column per name",
            found=f"twice: {', '.join(twice)}",
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
    return InputError(
        _subject(name, row),
        expected="a value, or null if it is missing",
        found="no such column",
        next_step="add the column",
    )


def unknown_column(name: object, known: Sequence[str], row: int | None = None) -> InputError:
    comparable = (
        isinstance(name, str) and len(name) <= COMPARED_CHARACTERS and len(known) <= COMPARED_NAMES
    )
    near = difflib.get_close_matches(str(name), known, n=1) if comparable else []
    next_step = f"did you mean {near[0]!r}? Rename it" if near else "leave it out"
    return InputError(
        _subject(name, row),
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
    """All columns in one go: a check per column would take half the time of encoding one row."""
    if numbers and np.isinf(np.concatenate([encoded[column.name] for column in numbers])).any():
        column = next(column for column in numbers if np.isinf(encoded[column.name]).any())
        _refuse_infinite(column, columns[column.name])


def _refuse_infinite(column: "_Column", values: Values) -> NoReturn:
    _refuse(
        column.name,
        _plain(values),
        lambda value: _is_infinite(column.read(value)),
        "a finite number of at most 3.4e38 in size, or null",
    )


class _Column(NamedTuple):
    """One column and the function that reads one of its values."""

    input: Input
    read: Reader
    missing: Missing

    @property
    def name(self) -> str:
        return self.input.name


def _number(column: _Column, values: Values) -> NDArray[np.float32]:
    if not column.missing.numbers:
        if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
            return values.astype(np.float32)
        values = _plain(values)
        if set(map(type, values)) <= PLAIN_NUMBERS:
            return _float32(column, values)
    return _float32(column, _read(column, values))


def _float32(column: _Column, values: Sequence[Any]) -> NDArray[np.float32]:
    try:
        return np.asarray(values, dtype=np.float32)
    except OverflowError:  # an integer beyond float64
        _refuse_infinite(column, values)


def _is_infinite(value: Any) -> bool:
    return value is not None and (value > LARGEST_NUMBER or value < -LARGEST_NUMBER)


def _boolean(column: _Column, values: Values) -> NDArray[np.float32]:
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        return values.astype(np.float32)
    values = _plain(values)
    if not set(map(type, values)) <= {bool, type(None)}:
        values = _read(column, values)
    return np.array(values, dtype=np.float32)


def _category(column: _Column, values: Values) -> NDArray[np.object_]:
    read = column.read
    try:
        return np.array([read(value) or "" for value in _plain(values)], dtype=object)
    except ValueError:
        _refuse_wrong(column, values)


def _date(column: _Column, values: Values) -> Encoded:
    times = (
        values
        if isinstance(values, np.ndarray) and values.dtype.kind == "M"
        else np.array(_read(column, values), dtype="datetime64[s]")
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


def _read(column: _Column, values: Values) -> list[Any]:
    try:
        return list(map(column.read, _plain(values)))
    except ValueError:
        _refuse_wrong(column, values)


def _refuse_wrong(column: _Column, values: Values) -> NoReturn:
    def is_wrong(value: Any) -> bool:
        try:
            column.read(value)
        except ValueError:
            return True
        return False

    _refuse(column.name, _plain(values), is_wrong, f"{_expected(column.input)} or null")


def _expected(column: Input) -> str:
    if column.type == "date":
        own = (
            ""
            if column.format in (None, ISO)
            else f", or as the contract's format {column.format} says"
        )
        return f"a date as ISO 8601 text, such as 2013-07-04 or 2013-07-04T17:30{own},"
    if column.type == "number":
        return (
            "a number"
            if column.format is None
            else f"a number, or text written as {column.format},"
        )
    return {"boolean": "true, false", "category": "text"}[column.type]


def _plain(values: Values) -> Sequence[Any]:
    """A list of Python or numpy scalars: checking those by type is three times faster than through an object array."""
    return values.astype(object).tolist() if isinstance(values, np.ndarray) else values


def _refuse(name: str, values: Values, is_wrong: Callable[[Any], bool], expected: str) -> NoReturn:
    row, wrong = next((row, value) for row, value in enumerate(values) if is_wrong(value))
    subject = _subject(name, row if len(values) > 1 else None)
    raise InputError(
        subject, expected=expected, found=shown_value(wrong), next_step="correct the value"
    )


def _subject(name: object, row: int | None) -> str:
    """Rows count from 0, as in the list that was sent."""
    named = f"column {shown_name(name)!r}"
    return named if row is None else f"row {row}, {named}"


_ENCODERS: dict[str, Callable[[_Column, Values], Any]] = {
    "number": _number,
    "boolean": _boolean,
    "category": _category,
    "date": _date,
}
