"""Return finite predictions, or refuse the value that makes them overflow."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from titlebout.scoring.predictor import Predictor, Scores
from titlebout.spec import Input, InputError, shown_name, shown_text, shown_value

TRIED_COLUMNS = 50  # the largest numbers of the row: one of them overflows
# Between 1 and the number that overflows: the limit is then known to about a half.
TRIED_SIZES = 200
Encoded = Mapping[str, NDArray[Any]]


def finite_scores(
    predictor: Predictor,
    inputs: Sequence[Input],
    encoded: Encoded,
    columns: Mapping[str, Sequence[Any]],
) -> Scores:
    """Return the scores of all rows; `columns` holds the values as they were sent.

    Raise InputError for the first row without a finite score.
    """
    try:
        scores = predictor.scores(encoded)
    except ValueError as error:  # so estimators refuse what they cannot compute
        raise _refusal_error(predictor, encoded, error) from error
    if np.isfinite(scores).all():
        return scores
    finite = np.isfinite(scores).reshape(len(scores), -1).all(axis=1)
    row = int(np.flatnonzero(~finite)[0])
    raise _overflow_error(
        predictor,
        inputs,
        _select_rows(encoded, [row]),
        columns,
        row=row if len(scores) > 1 else None,
    )


def _overflow_error(
    predictor: Predictor,
    inputs: Sequence[Input],
    encoded_row: Encoded,
    columns: Mapping[str, Sequence[Any]],
    *,
    row: int | None,
) -> InputError:
    numbers = [
        column.name
        for column in inputs
        if column.type == "number" and np.isfinite(encoded_row[column.name][0])
    ]
    numbers = sorted(numbers, key=lambda name: -abs(encoded_row[name][0]))[:TRIED_COLUMNS]
    overflowing = _find_overflowing(predictor, encoded_row, numbers)
    where = "" if row is None else f"row {row}, "
    next_step = "send a smaller number, or null if it is not known"
    if overflowing is not None:
        limit = _find_limit(predictor, encoded_row, overflowing)
        expected = (
            f"a number of at most {limit:.1e} in size, "
            "beyond which the model's arithmetic overflows"
        )
        found = shown_value(columns[overflowing][row or 0])
        return InputError(
            f"{where}column {shown_name(overflowing)!r}",
            expected=expected,
            found=found,
            next_step=next_step,
        )
    if numbers and abs(encoded_row[numbers[0]][0]) > 1:
        expected = "numbers with which the model's arithmetic does not overflow"
        found = f"{shown_value(columns[numbers[0]][row or 0])}, the largest of them"
        return InputError(
            f"{where}column {shown_name(numbers[0])!r}",
            expected=expected,
            found=found,
            next_step=next_step,
        )
    return _no_prediction_error(row, found="none: it is infinite or no number")


def _find_overflowing(predictor: Predictor, encoded_row: Encoded, numbers: list[str]) -> str | None:
    """Find the number without which the row has a finite prediction, or return None.

    All are tried in one table.
    """
    if not numbers:
        return None
    tried = _select_rows(encoded_row, [0] * len(numbers))
    for index, name in enumerate(numbers):
        tried[name][index] = 0
    finite = _are_finite(predictor, tried)
    return numbers[int(np.argmax(finite))] if finite.any() else None


def _find_limit(predictor: Predictor, encoded_row: Encoded, name: str) -> float:
    """Find the largest tried number up to which every prediction is finite, rounded down."""
    value = float(encoded_row[name][0])
    sizes = np.geomspace(min(1.0, abs(value)), abs(value), TRIED_SIZES)
    finite = _are_finite(predictor, _repeat_row(encoded_row, name, np.copysign(sizes, value)))
    last = sizes[max(0, int(np.argmin(finite)) - 1)]
    step = 10.0 ** (np.floor(np.log10(last)) - 1)
    return float(np.floor(last / step) * step)


def _repeat_row(encoded_row: Encoded, name: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Repeat the row for each of the values of one column."""
    many = _select_rows(encoded_row, [0] * len(values))
    return {**many, name: values.astype(np.float32)}


def _are_finite(predictor: Predictor, encoded: Encoded) -> NDArray[np.bool_]:
    """Tell for each row whether its score is finite.

    No row's is, if the estimator refuses one of them.
    """
    try:
        scores = predictor.scores(encoded)
    except ValueError:
        return np.zeros(len(next(iter(encoded.values()))), dtype=bool)
    return np.asarray(np.isfinite(scores).reshape(len(scores), -1).all(axis=1))


def _select_rows(encoded: Encoded, rows: list[int] | slice) -> dict[str, NDArray[Any]]:
    return {name: values[rows] for name, values in encoded.items()}


def _refusal_error(predictor: Predictor, encoded: Encoded, error: ValueError) -> InputError:
    """Return the error for the first row that the estimator refuses; search by halves."""
    rows = len(next(iter(encoded.values())))
    first, end = 0, rows
    while end - first > 1:
        half = (first + end) // 2
        try:
            predictor.scores(_select_rows(encoded, slice(first, half)))
            first = half
        except ValueError:
            end = half
    return _no_prediction_error(
        first if rows > 1 else None, found=f"the model's refusal {shown_text(str(error))}"
    )


def _no_prediction_error(row: int | None, *, found: str) -> InputError:
    subject = "the row" if row is None else f"row {row}"
    return InputError(
        subject,
        expected="values that the model can predict",
        found=found,
        next_step="look for values far from usual ones",
    )
