"""By which time column a strange table can be split, or that only its rows can be."""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data.guess_column import Guess
from titlebout.data.guess_target import TargetGuess
from titlebout.data.hashes import row_hashes
from titlebout.data.split import Rows, split
from titlebout.data.window import count_never
from titlebout.data.wire import category_texts, to_wire
from titlebout.spec import DataError, Split

FEW_TIMES = 10  # fewer different times cannot be cut at the wanted shares
TRIED_ROWS = 50_000  # evenly spaced: what can be split at all, so many rows show
NOT_THE_ROWS_TIME = re.compile(r"birth|born|dob|expir|due|until|(^|_)end", re.IGNORECASE)


class SplitGuess(NamedTuple):
    by: Literal["time", "row"]
    time_column: str | None
    reason: str


def guess_split(table: pd.DataFrame, *, target: str, asked: TargetGuess, guesses: Mapping[str, Guess]) -> SplitGuess:
    """Raises DataError if the table cannot be split by row either."""
    times = {name: to_wire(table[name], "date").values for name, guess in guesses.items() if _may_be_time(name, guess)}
    complete = {name: int(time.nunique()) for name, time in times.items() if _says_when(time)}
    few = np.arange(0, len(table), max(1, len(table) // TRIED_ROWS))
    rows = _rows(table.iloc[few], target, asked)
    if complete:
        best = max(complete, key=complete.__getitem__)
        dated = rows._replace(times=times[best].iloc[few].to_numpy(dtype="datetime64[us]").astype(np.int64))
        if not (problem := _problem(dated, "time")):
            return SplitGuess("time", best, f"{best!r} says when: the last rows are the holdout, as in use; {best!r} itself is no feature")
        return _by_row(rows, f"by {best!r} it would leave {problem}")
    return _by_row(
        rows, f"{next(iter(times))!r} has gaps, few values, or times that never come" if times else "no column says when a row happened"
    )


def _says_when(time: "pd.Series[Any]") -> bool:
    return bool(time.notna().all()) and int(time.nunique()) >= FEW_TIMES and not count_never(time)


def _may_be_time(name: str, guess: Guess) -> bool:
    return guess.column is not None and guess.column.type == "date" and NOT_THE_ROWS_TIME.search(name) is None


def _rows(table: pd.DataFrame, target: str, asked: TargetGuess) -> Rows:
    if asked.task == "regression":
        return Rows(hashes=row_hashes(table), classes=None, class_names=(), times=None, groups=None)
    codes, names = pd.factorize(category_texts(table[target]), sort=True)
    return Rows(hashes=row_hashes(table), classes=codes.astype(np.int64), class_names=tuple(names), times=None, groups=None)


def _problem(rows: Rows, by: Literal["time", "row"]) -> str:
    try:
        split(rows, Split(by=by), subject="the table")
    except DataError as error:
        return f"{error.found} instead of {error.expected}"
    return ""


def _by_row(rows: Rows, why: str) -> SplitGuess:
    split(rows, Split(by="row"), subject="the table")
    return SplitGuess("row", None, f"{why}, so a stable hash of each row decides")
