"""Read a table's file into Arrow: CSV, JSON lines, Parquet, or a folder of Parquet parts.

Nothing is interpreted here. A CSV file's cells are text, and Parquet's types stay what they are.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow as pa

from titlebout.data.compressed import COMPRESSIONS, head_of
from titlebout.data.csv_file import read_csv
from titlebout.data.json_lines import read_json_lines
from titlebout.data.parquet import read_parquet, read_parquet_parts
from titlebout.spec import DataError

Format = Literal["CSV", "JSON lines", "Parquet"]
ENDINGS: dict[str, Format] = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".txt": "CSV",
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".parquet": "Parquet",
    ".pq": "Parquet",
}
KINDS = "a CSV, JSON lines or Parquet file, or a folder of Parquet files"
AS_CSV = "save it as CSV (UTF-8) in the spreadsheet program: File, Save as"
SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
MAGIC = {  # the first bytes of what is often given by mistake, and what to do with it
    b"PAR1": ("Parquet", "name it .parquet"),
    b"PK\x03\x04": (
        "a zip archive or a spreadsheet",
        f"{AS_CSV}; a zip of one CSV file must be named .csv.zip",
    ),
    b"\xd0\xcf\x11\xe0": ("an old Excel spreadsheet", AS_CSV),
    b"\x1f\x8b": ("gzip", "name it .csv.gz, or decompress it: gunzip"),
    b"ARROW1": ("Arrow IPC (Feather)", "write it as Parquet: pandas.read_feather(…).to_parquet(…)"),
    b"ORC": ("ORC", "write it as Parquet: pandas.read_orc(…).to_parquet(…)"),
    b"%PDF": ("PDF", "write the table as CSV"),
}
READERS: dict[Format, Callable[[Path], pa.Table]] = {
    "CSV": read_csv,
    "JSON lines": read_json_lines,
    "Parquet": read_parquet,
}


def read_arrow(path: Path) -> pa.Table:
    """Return the table, perhaps without rows. Raise DataError with the way to correct the file."""
    if path.is_dir():
        table = read_parquet_parts(path)
    elif path.is_file():
        table = READERS[_find_format(path)](path)
    else:
        raise DataError(
            str(path),
            expected=KINDS,
            found="no such file",
            next_step="check the path; in model.yaml it counts from the model's folder",
        )
    refuse_double_names(table.column_names, subject=str(path))
    return table


def refuse_double_names(names: list[str], *, subject: str) -> None:
    """Raise DataError if two columns have one name."""
    if twice := [repr(name) for name, count in Counter(names).items() if count > 1]:
        raise DataError(
            subject,
            expected="one column per name",
            found=f"more than one column named {', '.join(twice)}",
            next_step="rename or drop the doubles",
        )


def without_endings(name: str) -> str:
    """Return a file's name without the endings that only tell its format.

    `a.csv.gz` becomes `a`; `a.2024` and `.csv` stay.
    """
    path = Path(name)
    if path.suffix.lower() in COMPRESSIONS and path.stem:
        path = Path(path.stem)
    return path.stem if path.suffix.lower() in ENDINGS else path.name


def _find_format(path: Path) -> Format:
    """Return the format by the name's ending, else by the content.

    Raise DataError if the content is in another format than the name says.
    """
    uncompressed = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    ending = uncompressed.suffix.lower()
    if ending in SPREADSHEETS:
        raise DataError(
            str(path), expected=KINDS, found=f"a spreadsheet ({ending})", next_step=AS_CSV
        )
    named, head = ENDINGS.get(ending), head_of(path)
    if named == "Parquet" and uncompressed != path:
        raise DataError(
            str(path),
            expected=KINDS,
            found="compressed Parquet",
            next_step="decompress it; Parquet compresses its own columns",
        )
    magic = next((magic for magic in MAGIC if head.startswith(magic)), None)
    if magic == b"PAR1" and named in (None, "Parquet"):
        return "Parquet"
    if magic is not None and named != "Parquet":
        found, next_step = MAGIC[magic]
        raise DataError(
            str(path), expected=KINDS, found=f"the content of {found}", next_step=next_step
        )
    if named is None and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return "JSON lines"
    return named or "CSV"
