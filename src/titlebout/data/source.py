"""Read a model's source, a file or a function of its features.py, into a frame of plain columns."""

import importlib.util
import sys
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from types import ModuleType

import pandas as pd

from titlebout.data.files import read_arrow, refuse_double_names
from titlebout.data.normalize import normalize_frame, normalize_table
from titlebout.spec import MISSING_WORDS, DataError, ModelSpec, model_folder


def read_source(project: Path, spec: ModelSpec) -> pd.DataFrame:
    """Return all rows, numbered from 0 in the source's order.

    Raise DataError if the source has no rows or cannot be read.
    """
    folder = model_folder(project, spec.name)
    if spec.source.file is not None:
        return read_table(folder / spec.source.file, missing=spec.missing)
    return _check_frame(
        _call_function(folder / "features.py", str(spec.source.function)),
        subject=f"{spec.source.function}() in models/{spec.name}/features.py",
        missing=spec.missing,
    )


def read_table(path: Path, *, missing: Collection[str] = MISSING_WORDS) -> pd.DataFrame:
    """Return the rows of a file (see `read_arrow`) as plain columns.

    Raise DataError if it has no rows or cannot be read.
    """
    frame = normalize_table(read_arrow(path), missing=missing)
    _refuse_empty(frame, subject=str(path))
    return frame


def _check_frame(frame: object, *, subject: str, missing: Collection[str]) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            subject,
            expected="a pandas DataFrame",
            found=f"a {type(frame).__name__}",
            next_step="return the DataFrame",
        )
    refuse_double_names([str(name) for name in frame.columns], subject=subject)
    _refuse_empty(frame, subject=subject)
    return normalize_frame(_keep_named_index(frame), missing=missing)


def _keep_named_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Make a named index a column like the others, and drop one without a name.

    An index without a name only tells the earlier order of the rows.
    """
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return (frame.reset_index(level=named) if named else frame).reset_index(drop=True)


def _refuse_empty(frame: pd.DataFrame, *, subject: str) -> None:
    if frame.empty:
        raise DataError(
            subject,
            expected="rows",
            found=f"{len(frame)} rows and {frame.shape[1]} columns",
            next_step="fill the table",
        )


def _call_function(path: Path, function: str) -> object:
    """Return what the function returns.

    Raise DataError, with file and line, for any error in the team's code.
    """
    if not path.is_file():
        raise DataError(
            str(path),
            expected=f"a file that defines {function}()",
            found="no such file",
            next_step="create it, or give source.file",
        )
    try:
        return _load_function(path, function)()
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            _find_line(path, error),
            expected=f"{function}() to return a DataFrame",
            found=f"{type(error).__name__}: {error}",
            next_step="fix the function",
        ) from error


def _load_function(path: Path, function: str) -> Callable[[], object]:
    """Load the function's module, which is in sys.modules only while it is executed.

    Dataclasses look there.
    """
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
    return _get_function(module, function, path)


def _get_function(module: ModuleType, function: str, path: Path) -> Callable[[], object]:
    found = getattr(module, function, None)
    if not callable(found):
        functions = sorted(
            name
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_")
        )
        raise DataError(
            str(path),
            expected=f"a function {function}",
            found=", ".join(functions) or "no function",
            next_step="correct source.function in model.yaml",
        )
    return found  # type: ignore[no-any-return]


def _find_line(path: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f"{path}, line {lines[-1]}" if lines else str(path)
