"""Guess which task a target column has, and which columns may have been made from it."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data import (
    NEARLY_PERFECT,
    SAMPLE_ROWS,
    category_texts,
    decide_reading,
    parse_truth,
    skill_alone,
    to_wire,
)
from titlebout.scaffold.guess_column import find_hindrance
from titlebout.scaffold.guess_kind import look_at
from titlebout.spec import CODE, ColumnType, DataError, Task

FEW_VALUES = 20  # whole numbers with at most so many different values are taken for classes
MANY_CLASSES = 100
MINIMUM_CLASS_ROWS = 5  # three to train on, one to choose by, one to judge by


class TargetGuess(NamedTuple):
    """Hold the task and why.

    `format` is how the column writes its numbers or classes.
    `rivals` are other formats in which they can be read.
    """

    task: Task
    positive: str | None
    reason: str
    format: str | None = None
    rivals: tuple[str, ...] = ()


def guess_target(name: str, values: "pd.Series[Any]") -> TargetGuess:
    """Return the guess. Raise DataError for a target that nothing can learn."""
    present = values.dropna()
    look = look_at(present)
    distinct = int(
        category_texts(present, look.format if look.kind == "category" else CODE).nunique()
    )
    if distinct < 2:
        raise _make_constant_error(name, values, present)
    if look.kind == "date":
        raise _make_error(
            name, "classes or numbers", "dates", "predict a number, such as the days until then"
        )
    if look.kind == "number":
        guess = _guess_numbers(name, present, distinct, form=look.format)
        return (
            guess._replace(rivals=look.rivals, format=look.format)
            if guess.task == "regression"
            else guess
        )
    return _guess_classes(name, present, "text")


def _make_constant_error(
    name: str, values: "pd.Series[Any]", present: "pd.Series[Any]"
) -> DataError:
    found = "no value at all"
    if not present.empty:
        found = f"only {str(present.iloc[0])!r} in {len(present):,} rows"
    if len(present) < len(values):
        found += f", and {len(values) - len(present):,} without a value"
    next_step = (
        "name another target, or add rows with other values; "
        "a class called NA or null must be written in another way"
    )
    return _make_error(name, "at least two different values", found, next_step)


def _guess_numbers(
    name: str, present: "pd.Series[Any]", distinct: int, *, form: str | None
) -> TargetGuess:
    exact = to_wire(present, "number", form).values
    whole = bool((exact == np.floor(exact)).all())
    if distinct == 2:
        return _guess_classes(name, present, "numbers")
    smallest = int(present.value_counts().min())
    if not whole or distinct > FEW_VALUES:
        return TargetGuess("regression", None, f"numbers, {distinct:,} different")
    if smallest < MINIMUM_CLASS_ROWS:
        return TargetGuess(
            "regression",
            None,
            f"whole numbers, {distinct} different, "
            f"but one in {smallest} rows only: too few for a class",
        )
    return TargetGuess(
        "multiclass",
        None,
        f"whole numbers, only {distinct} different: taken for classes; "
        "if they are amounts, regression",
        decide_reading(present, "category").format,
    )


def _guess_classes(name: str, present: "pd.Series[Any]", what: str) -> TargetGuess:
    form = decide_reading(present, "category").format
    counts = category_texts(present, form).value_counts()
    _require_learnable_classes(name, present, counts)
    if len(counts) > 2:
        return TargetGuess("multiclass", None, f"{what} with {len(counts)} different values", form)
    true = [
        word
        for word in counts.index
        if parse_truth(word) and (word != "1" or {"0", "-1"} & set(counts.index))
    ]
    positive, why = (
        (true[0], "which means yes") if len(true) == 1 else (counts.index[-1], "the rarer")
    )
    share = counts[positive] / counts.sum()
    reason = (
        f"two different values; {positive!r} ({share:.0%}), {why}, is taken for the positive one"
    )
    return TargetGuess("binary", str(positive), reason, form)


def _require_learnable_classes(
    name: str, present: "pd.Series[Any]", counts: "pd.Series[Any]"
) -> None:
    """Raise DataError if there are too many classes, or a class with too few rows."""
    if len(counts) > MANY_CLASSES and (hindered := find_hindrance(present.astype("str"))):
        raise _make_error(
            name,
            f"numbers, or at most {MANY_CLASSES} classes",
            hindered.found,
            "write plain numbers, or nothing, in the table",
        )
    if len(counts) > MANY_CLASSES:
        raise _make_error(
            name,
            f"at most {MANY_CLASSES} classes",
            f"{len(counts):,} different texts",
            "group them, or name another target",
        )
    if counts.iloc[-1] < MINIMUM_CLASS_ROWS:
        raise _make_error(
            name,
            f"at least {MINIMUM_CLASS_ROWS} rows of each class",
            f"{int((counts < MINIMUM_CLASS_ROWS).sum())} rarer classes; "
            f"{counts.index[-1]!r} has {counts.iloc[-1]} rows",
            "merge rare classes into one, drop their rows, or collect more",
        )


def suspected_leak(
    feature: "pd.Series[Any]", kind: ColumnType, target: "pd.Series[Any]", task: Task
) -> str:
    """Return evidence that the column was made from the target, or "".

    It looks at SAMPLE_ROWS evenly spaced rows. A missing value counts as a value of its own,
    since the target may decide whether a value is missing.
    """
    rows = np.flatnonzero(target.notna().to_numpy())
    rows = rows[:: max(1, len(rows) // SAMPLE_ROWS)]
    column, wanted = _to_model_column(feature.iloc[rows], kind), target.iloc[rows]
    y = (
        _read_amounts(wanted)
        if task == "regression"
        else pd.factorize(category_texts(wanted, decide_reading(wanted, "category").format))[0]
    )
    if column.nunique(dropna=False) < 2 or np.unique(y, return_counts=True)[1].max() == len(y):
        return ""
    skill = skill_alone(column.to_frame("column"), y, task=task, seed=0)
    if skill < NEARLY_PERFECT[task]:
        return ""
    return (
        f"SUSPECTED LEAK: alone it tells nearly all of the target (skill {skill:.2f}); "
        "was it known before?"
    )


def _to_model_column(feature: "pd.Series[Any]", kind: ColumnType) -> "pd.Series[Any]":
    """Return numbers with NaN for missing, or texts with "" for missing, as models see them."""
    if kind == "number":
        return pd.Series(_read_amounts(feature), index=feature.index)
    if kind == "date":
        times = to_wire(feature, "date", decide_reading(feature, "date").format).values.astype(
            "datetime64[us]"
        )
        return times.astype(np.int64).where(feature.notna().to_numpy(), np.nan)
    return feature.astype(object).where(feature.notna(), "").astype(str)


def _read_amounts(column: "pd.Series[Any]") -> NDArray[np.float64]:
    return to_wire(column, "number", decide_reading(column, "number").format).values.to_numpy(
        dtype=np.float64
    )


def _make_error(name: str, expected: str, found: str, next_step: str) -> DataError:
    return DataError(f"target {name!r}", expected=expected, found=found, next_step=next_step)
