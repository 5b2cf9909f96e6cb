"""Choose which of the source's rows an environment takes, by its window and its fraction."""

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.hashes import Hashes, unit
from titlebout.data.split import holdout_begins
from titlebout.data.target import target_values
from titlebout.data.wire import to_wire
from titlebout.spec import DataError, DataWindow, ModelSpec

# An environment's window and fraction save time. Below so many rows they save none, and the model
# lacks rows. So they are widened to hold so many, if the source does.
FLOOR_ROWS = 1_000
NEVER_YEAR = 9000  # databases write 9999-12-31 where there is no end
# A fraction leaves a rare class at least so many rows: enough to split and to cross-validate.
FLOOR_CLASS_ROWS = 20


class Windowed(NamedTuple):
    """Hold the rows of a window, the times at which it begins and ends, and notes for a person."""

    rows: pd.DataFrame
    window: tuple[str, str] | None
    notes: tuple[str, ...]


def in_window(
    raw: pd.DataFrame, spec: ModelSpec, data: DataWindow, *, as_of: str | None
) -> Windowed:
    """Return the rows of the `data.days` days strictly before `as_of`.

    A model without time column has no window.
    With `before_holdout` the window ends where the holdout of all rows before `as_of` begins.
    Raise DataError if no row is left, or if a row has no time.
    """
    if spec.time_column is None:
        _refuse_as_of(spec, as_of)
        ignored = (
            (f"the window of {data.days} days was not applied: the model has no time_column",)
            if data.days
            else ()
        )
        return Windowed(raw, None, ignored)
    times = times_of(raw, spec.time_column, spec)
    end = _parse_as_of(as_of) if as_of else times.max().normalize() + pd.Timedelta(days=1)
    before = times[times < end]
    if before.empty:
        raise DataError(
            f"the data of model {spec.name}",
            expected=f"rows before {end.isoformat()}",
            found=f"rows from {times.min().isoformat()} to {times.max().isoformat()}",
            next_step="give a later --as-of",
        )
    if data.before_holdout and spec.split.by == "time":
        end = _find_holdout(before, raw, spec)
        before = before[before < end]
    start, notes = _find_start(before, end, data.days)
    rows = raw.loc[before.index[before >= start]]
    return Windowed(rows, (start.isoformat(), end.isoformat()), notes)


def times_of(raw: pd.DataFrame, column: str, spec: ModelSpec) -> "pd.Series[Any]":
    """Return the time of each row. Raise DataError if one has none, as it cannot be ordered."""
    times, wrong = to_wire(raw[column], "date", spec.time_format)
    absent = times.isna()
    if absent.any():
        row = int(np.argmax(absent))
        raise DataError(
            f"time_column {column!r} of model {spec.name}",
            expected=f"a date or time in every row, written as {spec.time_format} or ISO 8601",
            found=f"{int(absent.sum()):,} rows without, {int(wrong.sum()):,} of them with "
            f"something else; the first is row {int(raw.index[row]) + 1:,}: "
            f"{str(raw[column].iloc[row])[:60]!r}",
            next_step="fix or drop those rows in the source, "
            "or split by row and take time_column out of model.yaml",
        )
    if never := count_never(times):
        raise DataError(
            f"time_column {column!r} of model {spec.name}",
            expected="the time at which each row happened",
            found=f"{never:,} rows in the year {times.max().year}, which stands for no end",
            next_step="name the column that says when a row began, "
            "or drop those rows in the source",
        )
    return times


def count_never(times: "pd.Series[Any]") -> int:
    """Return how many times stand for no time at all.

    An example is 9999-12-31 for what has not ended yet.
    """
    return int((times.dt.year >= NEVER_YEAR).sum())


def _refuse_as_of(spec: ModelSpec, as_of: str | None) -> None:
    if as_of:
        raise DataError(
            f"as-of time {as_of!r}",
            expected=f"none: model {spec.name} has no time_column",
            found="one",
            next_step="leave it out, or name the time_column in model.yaml",
        )


def _parse_as_of(as_of: str) -> pd.Timestamp:
    try:
        return pd.Timestamp(datetime.fromisoformat(as_of).replace(tzinfo=None))
    except ValueError as error:
        raise DataError(
            f"as-of time {as_of!r}",
            expected="an ISO date or time such as 2013-07-04 or 2013-07-04T17:30",
            found=str(error),
            next_step="write it as year-month-day",
        ) from error


def _find_holdout(before: "pd.Series[Any]", raw: pd.DataFrame, spec: ModelSpec) -> pd.Timestamp:
    """Return where the holdout begins. Rows without a target are in no part and do not count."""
    labelled = before[target_values(raw.loc[before.index, spec.target.column], spec).notna()]
    times = labelled.to_numpy(dtype="datetime64[us]").astype(np.int64)
    begins = holdout_begins(times, spec.split, subject=f"the data of model {spec.name}")
    return pd.Timestamp(np.datetime64(begins, "us"))


def _find_start(
    before: "pd.Series[Any]", end: pd.Timestamp, days: int | None
) -> tuple[pd.Timestamp, tuple[str, ...]]:
    if days is None:
        return before.min(), ()
    start = end - pd.Timedelta(days=days)
    inside = int((before >= start).sum())
    if inside >= min(FLOOR_ROWS, len(before)):
        return start, ()
    start = before.nlargest(FLOOR_ROWS).min()
    return start, (
        f"the last {days} days hold {inside:,} rows only, "
        f"so the window begins earlier, at {start.isoformat()}",
    )


def widened(fraction: float, *, rows: int) -> float:
    """Return the fraction, or a larger one that leaves FLOOR_ROWS rows."""
    return max(fraction, min(1.0, FLOOR_ROWS / max(rows, 1)))


def fraction_of(
    rows: Hashes, groups: Hashes | None, classes: NDArray[np.int64] | None, *, share: float
) -> NDArray[np.bool_]:
    """Return which rows belong to a share, by a stable hash of the row or of its group.

    A row that a small share takes, a larger share takes too.
    """
    if share >= 1:
        return np.ones(len(rows), dtype=np.bool_)
    numbers = unit(rows if groups is None else groups, salt="fraction")
    taken = numbers < share
    for label in np.unique(classes) if classes is not None else ():
        members = np.flatnonzero(classes == label)
        if taken[members].sum() < FLOOR_CLASS_ROWS:
            taken[members[np.argsort(numbers[members], kind="stable")[:FLOOR_CLASS_ROWS]]] = True
    return taken
