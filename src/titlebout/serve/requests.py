"""Read the body of `/predict` or `/invocations` into columns; name every fault."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

import msgspec

from titlebout.scoring import absent_column, unknown_column
from titlebout.serve.flat_json import (
    first_byte,
    read_any,
    read_items,
    read_members,
    read_object,
    read_values,
    repeated_name_error,
)
from titlebout.serve.refusals import MAX_ROWS, Malformed, too_large
from titlebout.spec import (
    EVENT_TIME_AHEAD,
    EVENT_TIME_BEHIND,
    Input,
    InputError,
    is_plausible_event_time,
    kind_of,
    shown_names,
    shown_text,
)

MAX_REQUEST_ID_CHARACTERS = 128
PROTOCOL = ("dataframe_split", "dataframe_records", "instances", "inputs")
ROWS_AT_ONCE = 500  # read as objects before they become columns


class RequestColumns(NamedTuple):
    """Hold the columns of a request as the client sent them, all of one length.

    `single` says that one row was sent alone, not in a list.
    """

    columns: Mapping[str, Sequence[Any]]
    rows: int
    single: bool


def read_predict(body: bytes, inputs: Sequence[Input]) -> RequestColumns:
    """Read one row as an object, or a list of rows.

    Raise InputError if the body is neither.
    """
    first = first_byte(body)
    if first == b"{":
        return RequestColumns(
            _read_columns(inputs, [read_object(body)], single=True), 1, single=True
        )
    if first == b"[":
        return _read_table(inputs, read_items(body), subject="the list")
    raise Malformed(
        "the body",
        expected="one row as a JSON object, or a list of rows",
        found=kind_of(read_any(body)),
        next_step="see /openapi.json for an example",
    )


def read_invocations(body: bytes, inputs: Sequence[Input]) -> RequestColumns:
    """Read a body of MLflow's scoring protocol.

    Raise InputError if it is none.
    """
    if first_byte(body) != b"{":
        raise _protocol_error("a list" if first_byte(body) == b"[" else kind_of(read_any(body)))
    content = read_members(body)
    keys = [key for key in PROTOCOL if key in content]
    if len(keys) != 1 or len(content) != 1:
        raise _protocol_error(f"the keys {shown_names(list(map(repr, content))) or 'none'}")
    (key,), value = keys, bytes(content[keys[0]])
    match key, first_byte(value):
        case "dataframe_split", b"{":
            return _read_split(inputs, read_members(value))
        case "inputs", b"{":
            return _read_named_lists(inputs, read_members(value))
        case (("dataframe_records" | "instances" | "inputs"), b"["):
            return _read_table(inputs, read_items(value), subject=repr(key))
    expected = (
        "an object with the lists `columns` and `data`"
        if key == "dataframe_split"
        else "a list of rows"
    )
    raise Malformed(
        f"{key!r}",
        expected=expected,
        found=kind_of(read_object(value)),
        next_step="see MLflow's scoring protocol",
    )


def read_request_id(header: bytes) -> str:
    """Read the header X-Request-Id.

    Raise Malformed for a text that could not be kept and printed as it is.
    """
    text = header.decode("latin-1")
    if not (0 < len(text) <= MAX_REQUEST_ID_CHARACTERS and text.isascii() and text.isprintable()):
        raise Malformed(
            "the header X-Request-Id",
            expected=f"1 to {MAX_REQUEST_ID_CHARACTERS} printable ASCII characters",
            found=shown_text(text),
            next_step="shorten it, or leave it out to be given one",
        )
    return text


def read_event_time(header: bytes, *, arrived: datetime) -> datetime:
    """Read the header X-Event-Time: ISO 8601, in UTC if it names no zone.

    Raise Malformed for other text, and InputError for a time too far from the arrival.
    """
    text = header.decode("latin-1")
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed(
            "the header X-Event-Time",
            expected="ISO 8601, such as 2013-07-04T17:30:00Z",
            found=shown_text(text),
            next_step="correct it, or leave it out: the time of arrival counts then",
        ) from error
    if not is_plausible_event_time(moment, arrived=arrived):
        raise InputError(
            "the header X-Event-Time",
            expected=f"a time of at most {EVENT_TIME_AHEAD.days} day after the server's clock "
            f"({arrived:%Y-%m-%dT%H:%M:%SZ}) "
            f"and at most {EVENT_TIME_BEHIND.days:,} days before it",
            found=shown_text(text),
            next_step="correct it, or leave it out: the time of arrival counts then",
        )
    return moment


def _protocol_error(found: str) -> Malformed:
    return Malformed(
        "the body",
        expected=f"an object with exactly one of {', '.join(PROTOCOL)}",
        found=found,
        next_step="see MLflow's scoring protocol",
    )


def _read_split(inputs: Sequence[Input], members: Mapping[str, msgspec.Raw]) -> RequestColumns:
    lists = {
        name: bytes(members[name])
        for name in ("columns", "data")
        if name in members and first_byte(bytes(members[name])) == b"["
    }
    if len(lists) < 2:
        raise Malformed(
            "'dataframe_split'",
            expected="an object with the lists `columns` and `data`",
            found=f"the lists {shown_names(list(lists)) or 'none'}",
            next_step="send both",
        )
    positions = _find_positions(inputs, read_values(lists["columns"]))
    items = read_items(lists["data"])
    _check_rows(len(items), subject="'dataframe_split'")
    columns: dict[str, list[Any]] = {column.name: [] for column in inputs}
    for row, item in enumerate(items):
        values = (
            read_values(bytes(item))
            if first_byte(bytes(item)) == b"["
            else read_object(bytes(item))
        )
        if not isinstance(values, list) or len(values) != len(positions):
            found = f"{len(values)} values" if isinstance(values, list) else kind_of(values)
            expected = f"a list of {len(positions)} values, one per column"
            raise InputError(
                f"row {row}", expected=expected, found=found, next_step="correct the row"
            )
        for name, position in positions.items():
            columns[name].append(values[position])
    return RequestColumns(columns, len(items), single=False)


def _find_positions(inputs: Sequence[Input], names: list[Any]) -> dict[str, int]:
    """Return the position of each of the contract's columns among the names.

    Raise InputError for a name too many or too few.
    """
    positions = dict[str, int]()
    for position, name in enumerate(names):
        if not isinstance(name, str):
            raise InputError(
                "'columns'",
                expected="names as text",
                found=kind_of(name),
                next_step="name the columns",
            )
        if name in positions:
            raise repeated_name_error(name)
        positions[name] = position
    _check_columns([column.name for column in inputs], positions)
    return positions


def _read_named_lists(
    inputs: Sequence[Input], members: Mapping[str, msgspec.Raw]
) -> RequestColumns:
    _check_columns([column.name for column in inputs], members)
    columns = dict[str, list[Any]]()
    for name, value in members.items():
        text = bytes(value)
        if first_byte(text) != b"[":
            found = kind_of(read_object(text))
            raise InputError(
                f"column {name!r}",
                expected="a list of values",
                found=found,
                next_step="send a list for each column",
            )
        columns[name] = read_values(text)
    rows = max(map(len, columns.values()), default=0)
    _check_rows(rows, subject="'inputs'")
    return RequestColumns(columns, rows, single=False)


def _read_table(
    inputs: Sequence[Input], items: Sequence[msgspec.Raw], *, subject: str
) -> RequestColumns:
    _check_rows(len(items), subject=subject)
    columns: dict[str, list[Any]] = {column.name: [] for column in inputs}
    for start in range(0, len(items), ROWS_AT_ONCE):
        chunk = enumerate(items[start : start + ROWS_AT_ONCE], start)
        rows = [read_object(bytes(item), where=f"row {number}, ") for number, item in chunk]
        for name, values in _read_columns(inputs, rows, first=start).items():
            columns[name] += values
    return RequestColumns(columns, len(items), single=False)


def _check_rows(rows: int, *, subject: str) -> None:
    if rows == 0:
        raise InputError(
            subject,
            expected="at least one row",
            found="none",
            next_step="send a row, or no request at all",
        )
    if rows > MAX_ROWS:
        raise too_large(f"{rows:,} rows")


def _read_columns(
    inputs: Sequence[Input], rows: list[Any], *, first: int = 0, single: bool = False
) -> dict[str, list[Any]]:
    """Return the rows' values by column; `first` is the number of the first row."""
    names = [column.name for column in inputs]
    try:
        columns = {name: [row[name] for row in rows] for name in names}
    except (KeyError, TypeError):
        _refuse_row(names, rows, first=first, single=single)
    if any(len(row) != len(names) for row in rows):
        _refuse_row(names, rows, first=first, single=single)
    return columns


def _refuse_row(names: list[str], rows: list[Any], *, first: int, single: bool) -> NoReturn:
    """Raise InputError for the first fault of rows that are known to have one."""
    for number, row in enumerate(rows, first):
        if not isinstance(row, dict):
            raise InputError(
                f"row {number}",
                expected="an object of named columns",
                found=kind_of(row),
                next_step="name the columns",
            )
        _check_columns(names, row, row=None if single else number)
    raise AssertionError("a row was refused that has no fault")


def _check_columns(
    names: Sequence[str], found: Mapping[str, Any], *, row: int | None = None
) -> None:
    """Raise InputError for an unknown column, then for an absent one.

    A misspelt column is both unknown and absent, and the misspelling is what helps.
    """
    known = set(names)
    for name in found:
        if name not in known:
            raise unknown_column(name, names, row)
    for name in names:
        if name not in found:
            raise absent_column(name, row)
