"""Read JSON lines: one object per row, whose keys are the columns.

A key that a row lacks is a missing value.
"""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa

from titlebout.data.compressed import encoding_of, open_binary
from titlebout.data.typed import value_text
from titlebout.spec import SHOWN_CHARACTERS, DataError

# A number that is not written as JSON writes it.
FORMATTED = re.compile(r"[0-9][,'’ \u00a0\u202f][0-9]")
# Metadata of a field whose texts do not show any more which of them were numbers.
MIXED = {"mixed": "numbers and texts"}


def read_json_lines(path: Path) -> pa.Table:
    """Return the rows, with the columns in the order in which they first occur.

    Raise DataError with the number of the wrong line.
    """
    columns: dict[str, list[Any]] = {}
    rows = 0
    with open_binary(path) as file:
        for number, line in enumerate(_read_lines(path, file), start=1):
            if not line.strip():
                continue
            for name, value in _parse_row(path, number, line).items():
                values = columns.setdefault(name, [])
                values.extend([None] * (rows - len(values)))
                values.append(value)
            rows += 1
    arrays = {
        name: _build_column(path, name, values + [None] * (rows - len(values)))
        for name, values in columns.items()
    }
    fields = [
        pa.field(name, array.type, metadata=MIXED if _is_mixed(columns[name]) else None)
        for name, array in arrays.items()
    ]
    return pa.table(list(arrays.values()), schema=pa.schema(fields))


def _is_mixed(values: list[Any]) -> bool:
    kinds = {type(value) for value in values}
    return str in kinds and float in kinds


def _read_lines(path: Path, file: Any) -> Iterator[str]:
    head = file.read(4)
    encoding = encoding_of(head)
    rest = io.BytesIO(head + file.read())
    try:
        yield from io.TextIOWrapper(rest, encoding=encoding or "utf-8-sig", newline="\n")
    except UnicodeError as error:
        raise DataError(
            str(path),
            expected="JSON lines in UTF-8",
            found=str(error),
            next_step="save it as UTF-8, for example: "
            f"iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}",
        ) from error


def _parse_row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_build_object)
    except (ValueError, RecursionError) as error:
        if number == 1 and line.lstrip().startswith(("[", "{")) and line.strip() in ("[", "{"):
            _refuse_document(path, line)
        _refuse(path, number, f"{error} in {line.strip()[:SHOWN_CHARACTERS]!r}")
    if isinstance(row, list) and number == 1:
        _refuse_document(path, line)
    if not isinstance(row, dict):
        _refuse(path, number, f"{line.strip()[:SHOWN_CHARACTERS]!r}")
    return row


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the name {next(name for name in names if names.count(name) > 1)!r} twice"
        )
    return found


def _build_column(path: Path, name: str, values: list[Any]) -> pa.Array:
    """Return the values in one Arrow type if that loses nothing, else as a CSV file's texts.

    Whole numbers beside others become text, too. As floats, 3 would become 3.0 because of them.
    """
    kinds = {type(value) for value in values if value is not None}
    if {float, str} <= kinds and (
        text := next(
            (value for value in values if isinstance(value, str) and FORMATTED.search(value)), None
        )
    ):
        raise DataError(
            f"{path}, column {name!r}",
            expected="numbers, or texts: beside a text such as '1.234,5' "
            "a number's point could be taken for thousands",
            found=f"{next(value for value in values if isinstance(value, float))!r} and {text!r}",
            next_step="write all values of the column as numbers, or all as texts",
        )
    try:
        if kinds in ({str}, {bool}, {int}, {float}, {list}, {dict}, set()):
            return pa.array(values)
    except UnicodeEncodeError as error:
        raise DataError(
            str(path),
            expected="text",
            found=f"half a surrogate pair in column {name!r}",
            next_step="write the text again",
        ) from error
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        # A whole number beyond 64 bits or a float's digits, or lists of different types.
        # As text nothing is lost.
        pass
    return pa.array([None if value is None else value_text(value) for value in values])


def _refuse_document(path: Path, line: str) -> NoReturn:
    """Raise DataError for a JSON document of several lines, or one with all rows in a list."""
    query = "'.[]'" if line.lstrip().startswith("[") else "."
    raise DataError(
        str(path),
        expected="JSON lines: one object per line",
        found="one JSON document",
        next_step=f"write one object per line: jq -c {query} {path.name} > {path.stem}.jsonl",
    )


def _refuse(path: Path, number: int, found: str) -> NoReturn:
    raise DataError(
        f"{path}, line {number}",
        expected="one JSON object with each name once",
        found=found,
        next_step="correct that line",
    )
