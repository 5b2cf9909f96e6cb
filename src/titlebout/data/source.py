"""Read a model's source, a CSV or Parquet file or a function of its features.py, into a frame of plain columns."""

import importlib.util
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pandas as pd

from titlebout.data.plain import plain
from titlebout.spec import DataError, ModelSpec, model_folder

PARQUET_ENDINGS = frozenset({".parquet", ".pq"})
DELIMITERS = ",;\t|"


def read_source(project: Path, spec: ModelSpec) -> pd.DataFrame:
    """All rows, numbered from 0 in the source's order; raises DataError."""
    folder = model_folder(project, spec.name)
    if spec.source.file is not None:
        return read_table(folder / spec.source.file)
    return _checked(
        _call(folder / "features.py", str(spec.source.function)), subject=f"{spec.source.function}() in models/{spec.name}/features.py"
    )


def read_table(path: Path) -> pd.DataFrame:
    """A CSV (also compressed; comma, semicolon, tab or bar) or Parquet file; raises DataError saying how to mend the file."""
    if not path.is_file():
        raise DataError(
            str(path),
            expected="a CSV or Parquet file",
            found="no such file",
            next_step="check the path; a relative one counts from the model's folder",
        )
    if path.stat().st_size == 0:
        raise DataError(str(path), expected="a table with a header", found="an empty file", next_step="write the table again")
    frame = _read_parquet(path) if path.suffix.lower() in PARQUET_ENDINGS else _read_csv(path)
    return _checked(frame, subject=str(path))


def _checked(frame: object, *, subject: str) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame):
        raise DataError(subject, expected="a pandas DataFrame", found=f"a {type(frame).__name__}", next_step="return the DataFrame")
    refuse_double_names([str(name) for name in frame.columns], subject=subject)
    if frame.empty:
        raise DataError(subject, expected="rows", found=f"{len(frame)} rows and {frame.shape[1]} columns", next_step="fill the table")
    return plain(_with_named_index(frame))


def _with_named_index(frame: pd.DataFrame) -> pd.DataFrame:
    """A named index is a column like the others; one without a name only tells how the rows once stood."""
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return (frame.reset_index(level=named) if named else frame).reset_index(drop=True)


def refuse_double_names(names: list[str], *, subject: str) -> None:
    if twice := [repr(name) for name, count in Counter(names).items() if count > 1]:
        raise DataError(
            subject,
            expected="one column per name",
            found=f"more than one column named {', '.join(twice)}",
            next_step="rename or drop the doubles",
        )


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            str(path), expected="a Parquet file", found=str(error), next_step="write it again, or name a CSV file .csv"
        ) from error
    refuse_double_names(table.column_names, subject=str(path))
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    """Every field as text: what a column means is decided once, by model.yaml, not by each reader's guess."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    names, delimiter = _header(path)
    refuse_double_names(names, subject=str(path))
    try:
        table = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(use_threads=False),  # one thread, or errors do not name the row
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        _refuse_csv(path, str(error), error)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _header(path: Path) -> tuple[list[str], str]:
    """The column names and the delimiter: the one that occurs most in the first line that is not empty."""
    import csv

    import fsspec

    with fsspec.open(str(path), "rt", encoding="utf-8-sig", errors="surrogateescape", compression="infer", newline="") as file:
        line = next((line for line in file if line.strip()), "")
        header = [line, *_continuation(line, file)]
    try:
        "".join(header).encode()
    except UnicodeEncodeError as error:
        _refuse_csv(path, f"a header that is no UTF8: {header[0].encode(errors='surrogateescape')!r}", error)
    delimiter = max(DELIMITERS, key=line.count)
    return next(csv.reader(header, delimiter=delimiter), []), delimiter


def _continuation(line: str, file: Any) -> list[str]:
    """The lines that belong to the header because a quoted name holds a line break."""
    more: list[str] = []
    while "".join([line, *more]).count('"') % 2 and (following := file.readline()):
        more.append(following)
    return more


def _refuse_csv(path: Path, found: str, error: Exception) -> NoReturn:
    found = " ".join(found.split())
    if "UTF8" in found:
        next_step = f"save it as UTF-8, for example: iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}"
    elif "Expected" in found:
        next_step = "give that row as many fields as the header has; quote a field that holds the delimiter"
    else:
        next_step = "mend the file at the named place"
    raise DataError(str(path), expected="a CSV file in UTF-8 with one header row", found=found, next_step=next_step) from error


def _call(path: Path, function: str) -> object:
    """The function's answer; whatever goes wrong in the team's code becomes a DataError with its file and line."""
    if not path.is_file():
        raise DataError(
            str(path), expected=f"a file that defines {function}()", found="no such file", next_step="create it, or give source.file"
        )
    try:
        return _loaded(path, function)()
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            _place(path, error),
            expected=f"{function}() to return a DataFrame",
            found=f"{type(error).__name__}: {error}",
            next_step="mend the function",
        ) from error


def _loaded(path: Path, function: str) -> Callable[[], object]:
    """The module is known to sys.modules only while it is executed (dataclasses look there)."""
    name = f"titlebout_features_{path.parent.name}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return _function(module, function, path)


def _function(module: ModuleType, function: str, path: Path) -> Callable[[], object]:
    answer = getattr(module, function, None)
    if not callable(answer):
        has = sorted(name for name, value in vars(module).items() if callable(value) and not name.startswith("_"))
        raise DataError(
            str(path), expected=f"a function {function}", found=", ".join(has) or "no function", next_step="mend source.function"
        )
    return answer  # type: ignore[no-any-return]


def _place(path: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}, line {lines[-1]}" if lines else str(path)
