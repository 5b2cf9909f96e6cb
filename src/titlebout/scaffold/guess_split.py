"""Guess how an unknown table is split: by a time column, or by row."""

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
TRIED_ROWS = 50_000  # evenly spaced: so many rows show whether a table can be split
HOLDOUT = Split.model_fields["holdout"].default
# With fewer holdout rows, the gate cannot tell better from worse.
# So a small table gives it a larger share.
HOLDOUT_ROWS = 16
HOLDOUT_RARE_ROWS = 9  # of the rarer class
LARGEST_HOLDOUT = 0.4
NOT_THE_ROWS_TIME = re.compile(r"birth|born|dob|expir|due|until|(^|_)end", re.IGNORECASE)


class SplitGuess(NamedTuple):
    """Hold how to split, by which time column, and why."""

    how: Split
    time_column: str | None
    reason: str


def guess_split(
    table: pd.DataFrame, *, target: str, target_guess: TargetGuess, guesses: Mapping[str, Guess]
) -> SplitGuess:
    """Return the guess. Raise DataError if the table cannot be split by row either."""
    times = {
        name: to_wire(table[name], "date", form).values
        for name, guess in guesses.items()
        if (form := _find_time_format(name, guess))
    }
    complete = {name: int(time.nunique()) for name, time in times.items() if _is_row_time(time)}
    few = np.arange(0, len(table), max(1, len(table) // TRIED_ROWS))
    features = [name for name, guess in guesses.items() if guess.column is not None]
    rows = _make_split_input(table.iloc[few], target, target_guess, features=features)
    holdout = _choose_holdout_share(table[target], target_guess)
    if complete:
        best = max(complete, key=complete.__getitem__)
        dated = rows._replace(
            times=times[best].iloc[few].to_numpy(dtype="datetime64[us]").astype(np.int64)
        )
        how = Split(by="time", holdout=holdout)
        if not (problem := _find_problem(dated, how)):
            return SplitGuess(
                how,
                best,
                f"{best!r} says when: the last rows are the holdout, as in use; "
                f"{best!r} itself is no feature",
            )
        return _split_by_row(rows, holdout, f"by {best!r} it would leave {problem}")
    problem = (
        f"{next(iter(times))!r} has gaps, few values, or times that never come"
        if times
        else "no column says when a row happened"
    )
    return _split_by_row(rows, holdout, problem)


def _is_row_time(time: "pd.Series[Any]") -> bool:
    return bool(time.notna().all()) and int(time.nunique()) >= FEW_TIMES and not count_never(time)


def _choose_holdout_share(target: "pd.Series[Any]", target_guess: TargetGuess) -> float:
    """Return the default share, or more of a small table, rounded up to whole percents."""
    wanted = HOLDOUT_ROWS / len(target)
    if target_guess.task != "regression":
        others = len(target) - int(target.value_counts().max())
        wanted = max(wanted, HOLDOUT_RARE_ROWS / others)
    return float(min(LARGEST_HOLDOUT, max(HOLDOUT, math.ceil(100 * wanted) / 100)))


def _find_time_format(name: str, guess: Guess) -> str | None:
    """Return the format of a column that may say when the row happened; None for others."""
    if (
        guess.column is None
        or guess.column.type != "date"
        or NOT_THE_ROWS_TIME.search(name) is not None
    ):
        return None
    return guess.column.format


def _make_split_input(
    table: pd.DataFrame, target: str, target_guess: TargetGuess, *, features: list[str]
) -> SplitInput:
    hashes = row_keys(table[features], whole_rows(table), Split(by="row")).hashes
    if target_guess.task == "regression":
        return SplitInput(hashes=hashes, classes=None, class_names=(), times=None, groups=None)
    codes, names = pd.factorize(category_texts(table[target], target_guess.format), sort=True)
    return SplitInput(
        hashes=hashes,
        classes=codes.astype(np.int64),
        class_names=tuple(names),
        times=None,
        groups=None,
    )


def _find_problem(rows: SplitInput, how: Split) -> str:
    """Return why the rows cannot be split in this way, or ""."""
    try:
        split(rows, how, subject="the table")
    except DataError as error:
        return f"{error.found} instead of {error.expected}"
    return ""


def _split_by_row(rows: SplitInput, holdout: float, why: str) -> SplitGuess:
    how = Split(by="row", holdout=holdout)
    split(rows, how, subject="the table")
    return SplitGuess(how, None, f"{why}, so a stable hash of each row decides")
