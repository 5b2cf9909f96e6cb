"""Predictions that are finite numbers, or a refusal that names the value which makes them overflow."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from titlebout.scoring.predictor import Predictor, Scores
from titlebout.spec import Input, InputError, shown_name, shown_text, shown_value

TRIED_COLUMNS = 50  # the largest numbers of the row: one of them overflows
TRIED_SIZES = (
    200  # between 1 and the number that overflows: the limit is then known to about a half
)
Encoded = Mapping[str, NDArray[Any]]


def finite_scores(
    predictor: Predictor,
    inputs: Sequence[Input],
    encoded: Encoded,
    columns: Mapping[str, Sequence[Any]],
) -> Scores:
    """Return the scores of all rows; raises InputError for the first row without a finite one. `columns` is what was sent."""
    try:
        scores = predictor.scores(encoded)
    except ValueError as error:  # so estimators refuse what they cannot compute
        raise _refused(predictor, encoded, error) from error
    if np.isfinite(scores).all():
        return scores
    fine = np.isfinite(scores).reshape(len(scores), -1).all(axis=1)
    row = int(np.flatnonzero(~fine)[0])
    raise _overflow(
        predictor, inputs, _rows(encoded, [row]), columns, row=row if len(scores) > 1 else None
    )


def _overflow(
    predictor: Predictor,
    inputs: Sequence[Input],
    one: Encoded,
    columns: Mapping[str, Sequence[Any]],
    *,
    row: int | None,
) -> InputError:
    numbers = [
        column.name
        for column in inputs
        if column.type == "number" and np.isfinite(one[column.name][0])
    ]
    numbers = sorted(numbers, key=lambda name: -abs(one[name][0]))[:TRIED_COLUMNS]
    alone = _culprit(predictor, one, numbers)
    where = "" if row is None else f"row {row}, "
    next_step = "send a smaller number, or null if it is not known"
    if alone is not None:
        limit = _limit(predictor, one, alone)
        expected = f"a number of at most {limit:.1e} in size, beyond which the model's arithmetic overflows"
        found = shown_value(columns[alone][row or 0])
        return InputError(
            f"{where}column {shown_name(alone)!r}",
            expected=expected,
            found=found,
            next_step=next_step,
        )
    if numbers and abs(one[numbers[0]][0]) > 1:
        expected = "numbers with which the model's arithmetic does not overflow"
        found = f"{shown_value(columns[numbers[0]][row or 0])}, the largest of them"
        return InputError(
            f"{where}column {shown_name(numbers[0])!r}",
            expected=expected,
            found=found,
            next_step=next_step,
        )
    return _no_prediction(row, found="none: it is infinite or no number")


def _culprit(predictor: Predictor, one: Encoded, numbers: list[str]) -> str | None:
    """Find the number without which the row has a finite prediction; all are tried in one table."""
    if not numbers:
        return None
    tried = _rows(one, [0] * len(numbers))
    for place, name in enumerate(numbers):
        tried[name][place] = 0
    fine = _is_fine(predictor, tried)
    return numbers[int(np.argmax(fine))] if fine.any() else None


def _limit(predictor: Predictor, one: Encoded, name: str) -> float:
    """Find the largest number, rounded down, up to which all that were tried give a finite prediction."""
    value = float(one[name][0])
    sizes = np.geomspace(min(1.0, abs(value)), abs(value), TRIED_SIZES)
    fine = _is_fine(predictor, _with(one, name, np.copysign(sizes, value)))
    last = sizes[max(0, int(np.argmin(fine)) - 1)]
    step = 10.0 ** (np.floor(np.log10(last)) - 1)
    return float(np.floor(last / step) * step)


def _with(one: Encoded, name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The row as often as there are values for the one column."""
    many = _rows(one, [0] * len(values))
    return {**many, name: values.astype(np.float32)}


def _is_fine(predictor: Predictor, encoded: Encoded) -> NDArray[np.bool_]:
    """Say of each row whether it has a finite score; of none, if the estimator refuses one of them."""
    try:
        scores = predictor.scores(encoded)
    except ValueError:
        return np.zeros(len(next(iter(encoded.values()))), dtype=bool)
    return np.asarray(np.isfinite(scores).reshape(len(scores), -1).all(axis=1))


def _rows(encoded: Encoded, rows: list[int] | slice) -> dict[str, NDArray[Any]]:
    return {name: values[rows] for name, values in encoded.items()}


def _refused(predictor: Predictor, encoded: Encoded, error: ValueError) -> InputError:
    """Find the first row that the estimator refuses, by halves."""
    rows = len(next(iter(encoded.values())))
    first, end = 0, rows
    while end - first > 1:
        half = (first + end) // 2
        try:
            predictor.scores(_rows(encoded, slice(first, half)))
            first = half
        except ValueError:
            end = half
    return _no_prediction(
        first if rows > 1 else None, found=f"the model's refusal {shown_text(str(error))}"
    )


def _no_prediction(row: int | None, *, found: str) -> InputError:
    subject = "the row" if row is None else f"row {row}"
    return InputError(
        subject,
        expected="values that the model can predict",
        found=found,
        next_step="look for values far from usual ones",
    )
