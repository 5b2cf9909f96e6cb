"""By which time column a strange table can be split, or that only its rows can be."""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data import (
    SplitInput,
    category_texts,
    count_never,
    row_keys,
    split,
    to_wire,
    whole_rows,
)
from titlebout.scaffold.guess_column import Guess
from titlebout.scaffold.guess_target import TargetGuess
from titlebout.spec import DataError, Split

FEW_TIMES = 10  # fewer different times cannot be cut at the wanted shares
TRIED_ROWS = 50_000  # evenly spaced: what can be split at all, so many rows show
HOLDOUT = Split.model_fields["holdout"].default
# A small table gives the gate more of its rows, as below so many, or so few of the rarer class, it cannot tell better from worse.
HOLDOUT_ROWS, HOLDOUT_RARE_ROWS, LARGEST_HOLDOUT = 16, 9, 0.4
NOT_THE_ROWS_TIME = re.compile(r"birth|born|dob|expir|due|until|(^|_)end", re.IGNORECASE)


class SplitGuess(NamedTuple):
    how: Split
    time_column: str | None
    reason: str


def guess_split(
    table: pd.DataFrame, *, target: str, asked: TargetGuess, guesses: Mapping[str, Guess]
) -> SplitGuess:
    """Raises DataError if the table cannot be split by row either."""
    times = {
        name: to_wire(table[name], "date", form).values
        for name, guess in guesses.items()
        if (form := _time_format(name, guess))
    }
    complete = {name: int(time.nunique()) for name, time in times.items() if _says_when(time)}
    few = np.arange(0, len(table), max(1, len(table) // TRIED_ROWS))
    features = [name for name, guess in guesses.items() if guess.column is not None]
    rows, holdout = (
        _rows(table.iloc[few], target, asked, features=features),
        _holdout_share(table[target], asked),
    )
    if complete:
        best = max(complete, key=complete.__getitem__)
        dated = rows._replace(
            times=times[best].iloc[few].to_numpy(dtype="datetime64[us]").astype(np.int64)
        )
        how = Split(by="time", holdout=holdout)
        if not (problem := _problem(dated, how)):
            return SplitGuess(
                how,
                best,
                f"{best!r} says when: the last rows are the holdout, as in use; {best!r} itself is no feature",
            )
        return _by_row(rows, holdout, f"by {best!r} it would leave {problem}")
    problem = (
        f"{next(iter(times))!r} has gaps, few values, or times that never come"
        if times
        else "no column says when a row happened"
    )
    return _by_row(rows, holdout, problem)


def _says_when(time: "pd.Series[Any]") -> bool:
    return bool(time.notna().all()) and int(time.nunique()) >= FEW_TIMES and not count_never(time)


def _holdout_share(target: "pd.Series[Any]", asked: TargetGuess) -> float:
    """Return the default share, or more of a small table, rounded up to whole percents."""
    wanted = HOLDOUT_ROWS / len(target)
    if asked.task != "regression":
        others = len(target) - int(target.value_counts().max())
        wanted = max(wanted, HOLDOUT_RARE_ROWS / others)
    return float(min(LARGEST_HOLDOUT, max(HOLDOUT, math.ceil(100 * wanted) / 100)))


def _time_format(name: str, guess: Guess) -> str | None:
    """The format of a column that may say when the row happened; None for others."""
    if (
        guess.column is None
        or guess.column.type != "date"
        or NOT_THE_ROWS_TIME.search(name) is not None
    ):
        return None
    return guess.column.format


def _rows(
    table: pd.DataFrame, target: str, asked: TargetGuess, *, features: list[str]
) -> SplitInput:
    hashes = row_keys(table[features], whole_rows(table), Split(by="row")).hashes
    if asked.task == "regression":
        return SplitInput(hashes=hashes, classes=None, class_names=(), times=None, groups=None)
    codes, names = pd.factorize(category_texts(table[target], asked.format), sort=True)
    return SplitInput(
        hashes=hashes,
        classes=codes.astype(np.int64),
        class_names=tuple(names),
        times=None,
        groups=None,
    )


def _problem(rows: SplitInput, how: Split) -> str:
    try:
        split(rows, how, subject="the table")
    except DataError as error:
        return f"{error.found} instead of {error.expected}"
    return ""


def _by_row(rows: SplitInput, holdout: float, why: str) -> SplitGuess:
    how = Split(by="row", holdout=holdout)
    split(rows, how, subject="the table")
    return SplitGuess(how, None, f"{why}, so a stable hash of each row decides")
