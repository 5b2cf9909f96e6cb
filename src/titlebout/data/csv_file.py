"""Read a CSV file, with every field as text.

model.yaml decides what a column means. No reader guesses.
"""

import csv
import io
import re
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pyarrow as pa
import pyarrow.csv as pa_csv

from titlebout.data.compressed import encoding_of, open_binary
from titlebout.spec import SHOWN_CHARACTERS, DataError

DELIMITERS = ",;\t|"
BLOCK_BYTES = 16 << 20  # no row is longer, nor the header
SAMPLE_LINES = 2_000  # from which the delimiter is found
SAMPLE_RECORDS = 100
DELIMITER_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # as Excel writes and reads it


class Layout(NamedTuple):
    """Hold how a CSV file is laid out.

    `skip` counts the lines before the header. `rows` is true if any row follows it.
    """

    names: list[str]
    delimiter: str
    skip: int
    rows: bool


def read_csv(path: Path) -> pa.Table:
    """Return all fields as text. Raise DataError with the row and the way to correct it."""
    with open_binary(path) as file:
        sample = file.read(BLOCK_BYTES)
    encoding = encoding_of(sample)
    if not sample:
        raise DataError(
            str(path),
            expected="a table with a header",
            found="an empty file",
            next_step="write the table again",
        )
    if encoding is None:
        layout = _find_layout(
            path,
            sample.decode("utf-8-sig", errors="surrogateescape"),
            cut=len(sample) == BLOCK_BYTES,
        )
        with open_binary(path) as file:
            return _read_table(path, file, layout)
    text = _decode(path, encoding)
    return _read_table(
        path,
        io.BytesIO(text.encode()),
        _find_layout(path, text[:BLOCK_BYTES], cut=len(text) > BLOCK_BYTES),
    )


def _decode(path: Path, encoding: str) -> str:
    with open_binary(path) as file:
        content = file.read()
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        _refuse(path, f"{encoding} that ends early or is damaged: {error}", error)


def _read_table(path: Path, file: Any, layout: Layout) -> pa.Table:
    # Arrow finds no table in a header that does not end its line
    if layout.names and not layout.rows:
        return pa.Table.from_arrays([pa.array([], pa.string())] * len(layout.names), layout.names)
    try:
        table = pa_csv.read_csv(
            file,
            # one thread, or errors do not name the row
            read_options=pa_csv.ReadOptions(
                use_threads=False, skip_rows=layout.skip, block_size=BLOCK_BYTES
            ),
            parse_options=pa_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(layout.names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        _refuse(path, str(error), error)
    if table.column_names != layout.names:
        _refuse(path, "a header with text behind a closing quote, or longer than 16 MiB", None)
    return table


def _find_layout(path: Path, text: str, *, cut: bool) -> Layout:
    """Find the layout from the file's beginning. `cut` says that the text ends inside of a row."""
    lines = list(islice(io.StringIO(text, newline=""), SAMPLE_LINES))
    cut = cut or len(lines) == SAMPLE_LINES
    skip = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    given = DELIMITER_LINE.fullmatch(lines[skip]) if skip < len(lines) else None
    skip += given is not None
    header = "".join(lines[skip : skip + 1])
    _refuse_unreadable(path, header)
    comments = next(
        (number for number, line in enumerate(lines[skip:]) if not line.startswith("#")), 0
    )
    if comments > 1 or header.startswith("# "):
        _refuse_comments(path, comments or 1, first=header, before=skip)
    delimiter = given[1] if given else _find_delimiter(path, lines[skip:], cut=cut)
    names, *rows = _read_records(lines[skip:], delimiter) or [[]]
    # `#id,name` with as many fields as the next line is a header
    if comments and rows and len(rows[0]) != len(names):
        _refuse_comments(path, comments, first=header, before=skip)
    return Layout(names, delimiter, skip, rows=bool(rows) or cut)


def _find_delimiter(path: Path, lines: list[str], *, cut: bool) -> str:
    """Return the delimiter by which rows have as many fields as the header has.

    Fields in quotes may hold any delimiter.
    """
    found: dict[str, tuple[float, int]] = {}
    for delimiter in DELIMITERS:
        header, *rows = _read_records(lines, delimiter, cut=cut) or [[]]
        if len(header) > 1:
            found[delimiter] = (
                sum(len(row) == len(header) for row in rows) / len(rows) if rows else 1.0,
                len(header),
            )
    best = max(found.values(), default=None)
    equals = [delimiter for delimiter, fit in found.items() if fit == best]
    if len(equals) > 1:
        raise DataError(
            str(path),
            expected="one character between fields",
            found=f"a header and rows that can be read with each of {' '.join(map(repr, equals))}",
            next_step="quote the names that hold one of them, "
            f"or make sep={equals[-1]} the first line of the file",
        )
    return equals[0] if equals else DELIMITERS[0]


def _read_records(lines: list[str], delimiter: str, *, cut: bool = False) -> list[list[str]]:
    """Return the first records that are not empty.

    They end at a record whose quotes do not fit the delimiter. That one is empty.
    """
    records: list[list[str]] = []
    try:
        records.extend(
            record
            for record in islice(
                csv.reader(lines, delimiter=delimiter, strict=True), SAMPLE_RECORDS
            )
            if record
        )
    except csv.Error:
        records.append([])
    return records[:-1] if cut and 1 < len(records) < SAMPLE_RECORDS else records


def _refuse_comments(path: Path, count: int, *, first: str, before: int) -> NoReturn:
    raise DataError(
        str(path),
        expected="the header in the first line",
        found=f"{count} line{'s' if count > 1 else ''} that begin with #, "
        f"such as {first.strip()[:SHOWN_CHARACTERS]!r}",
        next_step=f"delete them: tail -n +{before + count + 1} {path.name} > plain-{path.name}; "
        "if the last of them is the header, delete its # instead",
    )


def _refuse_unreadable(path: Path, header: str) -> None:
    if "\0" in header:
        _refuse(path, "NUL bytes in the header, as UTF-16 without a byte order mark has them", None)
    try:
        header.encode()
    except UnicodeEncodeError as error:
        _refuse(
            path, f"a header that is no UTF8: {header.encode(errors='surrogateescape')!r}", error
        )


def _refuse(path: Path, found: str, error: Exception | None) -> NoReturn:
    found = " ".join(found.split())
    if "UTF-16" in found:
        next_step = (
            "save it as UTF-8, for example: "
            f"iconv -f utf-16le -t utf-8 {path.name} > utf8-{path.name}"
        )
    elif "UTF8" in found:
        next_step = (
            "save it as UTF-8, for example: "
            f"iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}"
        )
    elif found.rpartition(": ")[2].startswith("#"):
        next_step = f"delete comment lines: grep -v '^#' {path.name} > plain-{path.name}"
    elif "Empty CSV" in found:
        next_step = "write the table again, with its header"
    elif "Expected" in found:
        next_step = (
            "give that row as many fields as the header has; quote a field that holds the delimiter"
        )
    else:
        next_step = "correct the file at the named row"
    raise DataError(
        str(path),
        expected="a CSV file in UTF-8 with one header row",
        found=found,
        next_step=next_step,
    ) from error
