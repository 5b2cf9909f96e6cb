"""Check a source against model.yaml's columns, and bring it into wire form.

The error of a broken expectation has the column, the number of rows and an example.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from titlebout.data.target import target_values
from titlebout.data.wire import Wired, category_texts, to_wire
from titlebout.spec import (
    CODE,
    ISO,
    SHOWN_CHARACTERS,
    TEXT,
    Column,
    ColumnType,
    DataError,
    ModelSpec,
)

if TYPE_CHECKING:
    import pandera.pandas as pa

OR_TAKE_OUT = "add the column to the source, or take it out of model.yaml"
SHOWN_PROBLEMS = 12  # in one message: what fits on a screen
SHOWN_COLUMNS = 30
TYPE_TEXTS: dict[ColumnType, str] = {
    "number": "finite numbers",
    "boolean": "true or false (also 1 and 0, yes and no)",
    "category": "texts",
    "date": "dates in ISO 8601",
}


def wire_frame(raw: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """Return features in model.yaml's order, then target, time and group, in wire form.

    The index holds the source's row numbers.
    Raise DataError for an absent column or a broken expectation.
    """
    require_columns(raw, spec)
    frame = wire_features(raw, spec.columns, subject=f"the data of model {spec.name}")
    frame[spec.target.column] = target_values(raw[spec.target.column], spec)
    if spec.time_column is not None:
        frame[spec.time_column] = to_wire(raw[spec.time_column], "date", spec.time_format).values
    if spec.group_column is not None and spec.group_column not in frame:
        frame[spec.group_column] = category_texts(raw[spec.group_column], CODE)
    return frame


def wire_features(
    raw: pd.DataFrame, columns: Mapping[str, Column], *, subject: str
) -> pd.DataFrame:
    """Return the features in wire form.

    Raise DataError for an absent column, or with every broken expectation.
    """
    refuse_absent(columns, list(raw.columns), subject=subject)
    wired = _wire_columns(raw, columns)
    frame = _join_values(wired, raw)
    wrong = [
        _describe_wrong_type(raw[name], columns[name], column)
        for name, column in wired.items()
        if column.wrong.any()
    ]
    if problems := wrong + _describe_broken_values(frame, columns, wired):
        more = (
            f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        )
        raise DataError(
            subject,
            expected="what model.yaml says of its columns",
            found="; ".join(problems[:SHOWN_PROBLEMS]) + more,
            next_step="fix the source, or the expectation under `columns` in model.yaml",
        )
    return frame


def read_rows(
    raw: pd.DataFrame, columns: Mapping[str, Column]
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Return the features in wire form, and why rows are refused, by position.

    A row is refused if it has a value of a wrong type.
    """
    wired = _wire_columns(raw, columns)
    reasons: dict[int, str] = {}
    for name, column in wired.items():
        for row in np.flatnonzero(column.wrong).tolist():
            found = str(raw[name].iat[row])[:SHOWN_CHARACTERS]
            reasons.setdefault(
                row, f"column {name!r}: expected {_describe_type(columns[name])}; found {found!r}"
            )
    return _join_values(wired, raw), reasons


def require_columns(raw: pd.DataFrame, spec: ModelSpec) -> None:
    """Raise DataError with each absent column and the present one with the nearest name."""
    roles = (spec.target.column, spec.time_column, spec.group_column)
    refuse_absent(
        [*(role for role in roles if role is not None), *spec.columns],
        list(raw.columns),
        subject=f"the data of model {spec.name}",
    )


def refuse_absent(
    wanted: Iterable[str], present: list[str], *, subject: str, next_step: str = OR_TAKE_OUT
) -> None:
    """Raise DataError if a wanted column is not among the present ones."""
    absent = [name for name in dict.fromkeys(wanted) if name not in present]
    if not absent:
        return
    near = {name: difflib.get_close_matches(name, present, n=1, cutoff=0.5) for name in absent}
    meant = [f"{name!r} may be {found[0]!r}" for name, found in near.items() if found]
    shown = ", ".join(map(repr, present[:SHOWN_COLUMNS]))
    raise DataError(
        subject,
        expected=f"column{'s' if len(absent) > 1 else ''} {', '.join(map(repr, absent))}",
        found=f"no such column; there are {shown}{', …' if len(present) > SHOWN_COLUMNS else ''}",
        next_step=f"correct the name ({', '.join(meant)})" if meant else next_step,
    )


def _wire_columns(raw: pd.DataFrame, columns: Mapping[str, Column]) -> dict[str, Wired]:
    return {
        name: to_wire(raw[name], column.type, column.format) for name, column in columns.items()
    }


def _join_values(wired: Mapping[str, Wired], raw: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: column.values for name, column in wired.items()}, index=raw.index)


def _describe_wrong_type(raw: "pd.Series[Any]", column: Column, wired: Wired) -> str:
    row = int(np.argmax(wired.wrong))
    what = f"are not {_describe_type(column)}"
    return _describe_problem(
        raw.name,
        what,
        wrong=int(wired.wrong.sum()),
        rows=len(raw),
        example=raw.iloc[row],
        row=raw.index[row],
    )


def _describe_type(column: Column) -> str:
    if column.format in (None, ISO, CODE, TEXT):
        return TYPE_TEXTS[column.type]
    return f"{TYPE_TEXTS[column.type]} or written as {column.format}"


def _describe_problem(
    column: object, what: str, *, wrong: int, rows: int, example: Any, row: Any
) -> str:
    shown = "" if pd.isna(example) else f" {str(example)[:SHOWN_CHARACTERS]!r}"
    return (
        f"column {column!r}: {wrong:,} of {rows:,} values {what}, "
        f"for example{shown} in row {int(row) + 1:,}"
    )


def _describe_broken_values(
    frame: pd.DataFrame, columns: Mapping[str, Column], wired: Mapping[str, Wired]
) -> list[str]:
    import pandera.errors

    try:
        _make_schema(columns).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        failures = error.failure_cases
        wrong_type = pd.Series(
            {name: frozenset(frame.index[column.wrong]) for name, column in wired.items()}
        )
        described = [
            index in wrong_type[column]
            for index, column in zip(failures["index"], failures["column"], strict=True)
        ]
        others = failures[~np.array(described, dtype=bool)]
        return [
            _describe_failures(group, len(frame))
            for _, group in others.groupby(["column", "check"], sort=False)
        ]
    return []


def _describe_failures(failures: pd.DataFrame, rows: int) -> str:
    first = failures.iloc[0]
    what = "are missing" if first["check"] == "not_nullable" else str(first["check"])
    return _describe_problem(
        first["column"],
        what,
        wrong=len(failures),
        rows=rows,
        example=first["failure_case"],
        row=first["index"],
    )


def _make_schema(columns: Mapping[str, Column]) -> "pa.DataFrameSchema":
    import pandera.pandas as pa

    return pa.DataFrameSchema(
        {
            name: pa.Column(nullable=column.nullable, checks=_make_checks(column))
            for name, column in columns.items()
        }
    )


def _make_checks(column: Column) -> list[Any]:
    import pandera.pandas as pa

    checks = []
    if column.minimum is not None:
        checks.append(
            pa.Check.ge(column.minimum, error=f"are below the minimum {column.minimum:g}")
        )
    if column.maximum is not None:
        checks.append(
            pa.Check.le(column.maximum, error=f"are above the maximum {column.maximum:g}")
        )
    if column.values is not None:
        checks.append(pa.Check.isin(column.values, error=f"are none of {', '.join(column.values)}"))
    return checks
