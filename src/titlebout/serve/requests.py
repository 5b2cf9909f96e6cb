"""What a client asked: the body of `/predict` or `/invocations`, read into columns; every fault is named."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

import msgspec

from titlebout.serve.columns import absent_column, unknown_column
from titlebout.spec import Input, InputError

MAX_ROWS = 20_000  # about 0.3 s of one CPU; a larger table is a job for batch scoring
MAX_BODY_BYTES = 16 << 20  # 20,000 rows of 40 columns as JSON
MAX_REQUEST_ID_CHARACTERS = 128
PROTOCOL = ("dataframe_split", "dataframe_records", "instances", "inputs")
SHOWN_CHARACTERS = 60

_decoder = msgspec.json.Decoder()


class Malformed(InputError):
    """Not readable at all; answered 400, where other input errors are answered 422."""


class TooLarge(InputError):
    """More than the server takes at once; answered 413."""


class Asked(NamedTuple):
    """Columns as clients send them, all of one length; `single`: one row was sent alone, not in a list."""

    columns: Mapping[str, Sequence[Any]]
    rows: int
    single: bool


def read_predict(body: bytes, inputs: Sequence[Input]) -> Asked:
    """One row as an object, or a list of rows; raises InputError."""
    content = _json(body)
    if isinstance(content, dict):
        return Asked(_columns(inputs, [content], single=True), 1, single=True)
    if isinstance(content, list):
        return _table(inputs, content, subject="the list")
    raise Malformed(
        "the body",
        expected="one row as a JSON object, or a list of rows",
        found=_kind(content),
        next_step="see /openapi.json for an example",
    )


def read_invocations(body: bytes, inputs: Sequence[Input]) -> Asked:
    """MLflow's scoring protocol; raises InputError."""
    content = _json(body)
    keys = [key for key in PROTOCOL if key in content] if isinstance(content, dict) else []
    if len(keys) != 1 or len(content) != 1:
        found = f"the keys {', '.join(map(repr, content)) or 'none'}" if isinstance(content, dict) else _kind(content)
        raise Malformed(
            "the body",
            expected=f"an object with exactly one of {', '.join(PROTOCOL)}",
            found=found,
            next_step="see MLflow's scoring protocol",
        )
    key, value = keys[0], content[keys[0]]
    if key == "dataframe_split":
        return _split(inputs, value)
    if key == "inputs" and isinstance(value, dict):
        return _named_lists(value)
    if not isinstance(value, list):
        raise Malformed(f"{key!r}", expected="a list of rows", found=_kind(value), next_step="send a list of objects")
    return _table(inputs, value, subject=repr(key))


def read_request_id(header: bytes) -> str:
    """Raises Malformed for what could not be kept and printed as it is."""
    text = header.decode("latin-1")
    if not (0 < len(text) <= MAX_REQUEST_ID_CHARACTERS and text.isascii() and text.isprintable()):
        raise Malformed(
            "the header X-Request-Id",
            expected=f"1 to {MAX_REQUEST_ID_CHARACTERS} printable ASCII characters",
            found=repr(text[:SHOWN_CHARACTERS]),
            next_step="shorten it, or leave it out to be given one",
        )
    return text


def read_event_time(header: bytes) -> datetime:
    """ISO 8601; without a zone it counts as UTC. Raises Malformed."""
    text = header.decode("latin-1")
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed(
            "the header X-Event-Time",
            expected="ISO 8601, such as 2013-07-04T17:30:00Z",
            found=repr(text[:SHOWN_CHARACTERS]),
            next_step="mend it, or leave it out: the time of arrival counts then",
        ) from error


def too_large(size: str) -> TooLarge:
    return TooLarge(
        "the request",
        expected=f"at most {MAX_ROWS:,} rows and {MAX_BODY_BYTES:,} bytes",
        found=size,
        next_step="split it, or score in batch",
    )


def _json(body: bytes) -> Any:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = "nothing" if not body else f"{body[:SHOWN_CHARACTERS]!r} ({error})"
        raise Malformed("the body", expected="JSON", found=found, next_step="see /openapi.json for an example") from error


def _split(inputs: Sequence[Input], value: Any) -> Asked:
    if not (isinstance(value, dict) and isinstance(value.get("columns"), list) and isinstance(value.get("data"), list)):
        raise Malformed(
            "'dataframe_split'", expected="an object with the lists `columns` and `data`", found=_kind(value), next_step="send both"
        )
    names = value["columns"]
    for row, values in enumerate(value["data"]):
        if not isinstance(values, list) or len(values) != len(names):
            found = f"{len(values)} values" if isinstance(values, list) else _kind(values)
            raise InputError(f"row {row}", expected=f"a list of {len(names)} values, one per column", found=found, next_step="mend the row")
    return _table(inputs, [dict(zip(map(str, names), values, strict=True)) for values in value["data"]], subject="'dataframe_split'")


def _named_lists(value: dict[str, Any]) -> Asked:
    for name, values in value.items():
        if not isinstance(values, list):
            raise InputError(f"column {name!r}", expected="a list of values", found=_kind(values), next_step="send a list for each column")
    rows = max(map(len, value.values()), default=0)
    _check_rows(rows, subject="'inputs'")
    return Asked(value, rows, single=False)


def _table(inputs: Sequence[Input], rows: list[Any], *, subject: str) -> Asked:
    _check_rows(len(rows), subject=subject)
    return Asked(_columns(inputs, rows, single=False), len(rows), single=False)


def _check_rows(rows: int, *, subject: str) -> None:
    if rows == 0:
        raise InputError(subject, expected="at least one row", found="none", next_step="send a row, or no request at all")
    if rows > MAX_ROWS:
        raise too_large(f"{rows:,} rows")


def _columns(inputs: Sequence[Input], rows: list[Any], *, single: bool) -> dict[str, list[Any]]:
    names = [column.name for column in inputs]
    try:
        columns = {name: [row[name] for row in rows] for name in names}
    except (KeyError, TypeError):
        _refuse_row(names, rows, single=single)
    if any(len(row) != len(names) for row in rows):
        _refuse_row(names, rows, single=single)
    return columns


def _refuse_row(names: list[str], rows: list[Any], *, single: bool) -> NoReturn:
    """Find and name the first fault of rows that are known to have one."""
    for number, row in enumerate(rows):
        where = None if single else number
        if not isinstance(row, dict):
            raise InputError(f"row {number}", expected="an object of named columns", found=_kind(row), next_step="name the columns")
        # A stranger first: a misspelt column is both unknown and absent, and the misspelling is what helps.
        for name in row:
            if name not in names:
                raise unknown_column(name, names, where)
        for name in names:
            if name not in row:
                raise absent_column(name, where)
    raise AssertionError("a row was refused that has no fault")


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number", type(None): "null"}
    return kinds[type(value)]
