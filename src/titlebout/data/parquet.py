"""Read a Parquet file, or a folder of Parquet parts as one table."""

from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from titlebout.spec import DataError

ENDINGS = (".parquet", ".pq")
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # a partition folder's name for a missing value


def read_parquet(path: Path) -> pa.Table:
    """Return the table with the types that the file declares. Raise DataError if it is damaged."""
    try:
        return pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            str(path),
            expected="a Parquet file",
            found=str(error),
            next_step="write it again, or name a CSV file .csv",
        ) from error


def read_parquet_parts(folder: Path) -> pa.Table:
    """Return all parts below the folder, in the order of their paths.

    A folder named `day=…` makes a text column `day`.
    Raise DataError if there are no parts, or if their columns or types differ.
    """
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in ENDINGS and not _is_hidden(path.relative_to(folder))
    ]
    if not files:
        raise DataError(
            str(folder),
            expected="Parquet files in the folder",
            found="none",
            next_step="name a file; CSV parts must first become one file",
        )
    parts = [
        _add_partition_columns(read_parquet(path), path.relative_to(folder).parent)
        for path in files
    ]
    _refuse_other_columns(files, parts)
    try:
        schema = pa.unify_schemas(
            [part.schema.remove_metadata() for part in parts], promote_options="permissive"
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _make_type_error(folder, str(error)) from error
    return pa.concat_tables(
        [_cast(part, schema, path) for part, path in zip(parts, files, strict=True)]
    )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _add_partition_columns(table: pa.Table, folder: Path) -> pa.Table:
    for name, equals, value in (part.partition("=") for part in folder.parts):
        if equals and name not in table.column_names:
            text = None if value == NO_VALUE else unquote(value)
            table = table.append_column(unquote(name), pa.array([text] * len(table), pa.string()))
    return table


def _refuse_other_columns(files: list[Path], parts: list[pa.Table]) -> None:
    """Raise DataError if a part has other columns than the first.

    A reader that fills in gaps would hide a lost column.
    """
    first = set(parts[0].column_names)
    for path, part in zip(files, parts, strict=True):
        if unlike := first ^ set(part.column_names):
            raise DataError(
                str(path),
                expected=f"the columns of {files[0].name}",
                found=f"in one of the two only: {', '.join(map(repr, sorted(unlike)))}",
                next_step="write all parts with the same columns",
            )


def _cast(part: pa.Table, schema: pa.Schema, path: Path) -> pa.Table:
    """Cast without loss. Raise DataError for whole numbers that a float cannot hold."""
    try:
        return part.select(schema.names).cast(schema)
    except pa.ArrowInvalid as error:
        raise _make_type_error(path, str(error)) from error


def _make_type_error(path: Path, found: str) -> DataError:
    return DataError(
        str(path),
        expected="the types of the other parts",
        found=found,
        next_step="write all parts with the same column types",
    )
