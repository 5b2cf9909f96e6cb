"""Write the output of batch scoring: the table as it was read, and the result's columns.

Those get names that the table does not have.
"""

import csv
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from titlebout.atomic_files import write_whole
from titlebout.spec import DataError

CSV = ".csv"
PARQUET = (".parquet", ".pq")
PREFIX = "titlebout."


def refuse_output(out: Path, *, source: Path) -> None:
    """Raise DataError if the output has no format or no folder, or would change what is scored."""
    if out.suffix.lower() not in (CSV, *PARQUET) or not out.parent.is_dir():
        raise DataError(
            str(out),
            expected="a .csv or .parquet file in a folder that exists",
            found="another",
            next_step="choose another --out",
        )
    if out.is_dir() or source.resolve() in (out.resolve(), *out.resolve().parents):
        raise DataError(
            str(out),
            expected="an output beside the table",
            found="the table itself, or a folder",
            next_step="choose another --out",
        )


def write_scored(
    table: pa.Table, answers: Mapping[str, pa.Array], out: Path, *, release: str, version: str
) -> dict[str, str]:
    """Write the table and the result beside it, whole or not at all.

    Return the name that each column of the result got.
    """
    made = {
        **answers,
        "release": pa.repeat(pa.scalar(release, pa.string()), len(table)),
        "version": pa.repeat(pa.scalar(version, pa.string()), len(table)),
    }
    names = result_names(made, taken=table.column_names)
    for name, values in made.items():
        table = table.append_column(names[name], values)
    _write(table, out)
    return names


def result_names(wanted: Collection[str], *, taken: Collection[str]) -> dict[str, str]:
    """Return a name for each wanted column that the table does not have.

    A taken name gets `titlebout.` before it, as often as needed. Different names stay different.
    Upper and lower case count as equal, since many databases read them so.
    """
    known = {name.casefold() for name in taken}
    names = {}
    for name in wanted:
        free = name
        while free.casefold() in known:
            free = f"{PREFIX}{free}"
        names[name] = free
    return names


def _write(table: pa.Table, out: Path) -> None:
    try:
        with write_whole(out) as file:
            if out.suffix.lower() == CSV:
                _write_csv(table, file)
            else:
                pq.write_table(table, file)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            str(out),
            expected="to be written",
            found=str(error),
            next_step="choose another --out; a .csv takes values of every type",
        ) from error


def _write_csv(table: pa.Table, file: BinaryIO) -> None:
    """Write each cell's own text.

    Numbers have all their digits, lists and structs are JSON, and a missing value is empty.
    """
    import pandas as pd

    from titlebout.data import table_columns

    frame = pd.DataFrame(table_columns(table))
    texts = [frame[name] for name in frame if isinstance(frame[name].dtype, pd.StringDtype)]
    bare_return = any("\r" in str(name) for name in frame) or any(
        text.str.contains("\r", regex=False).any() for text in texts
    )
    # pandas quotes a line feed, but not a carriage return, which readers take for a row's end.
    frame.to_csv(
        file,
        mode="wb",
        index=False,
        quoting=csv.QUOTE_NONNUMERIC if bare_return else csv.QUOTE_MINIMAL,
    )
