"""Predict the rows of a table.

A row that cannot be predicted gets the reason, and no prediction is invented for it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from titlebout.data import contract_columns, features, read_rows
from titlebout.scoring import LARGEST_NUMBER, Decision, predictor_columns
from titlebout.spec import Contract, DataError

if TYPE_CHECKING:
    from titlebout.scoring import Predictor

Encoded = dict[str, NDArray[Any]]
MOST_FAILURES = 1_000  # of single rows; with more, it is not the rows that are wrong


def predict_rows(
    predictor: "Predictor", table: pd.DataFrame, *, threshold: float | None
) -> dict[str, pa.Array]:
    """Return the result's columns, each with one value per row.

    They are `prediction`, `score.<class>` for each class, and `refused`: the reason, or null.
    """
    contract = predictor.contract
    columns = contract_columns(contract)
    wired, refused = read_rows(table, columns)
    numbers = wired[[name for name, column in columns.items() if column.type == "number"]]
    refused |= _beyond_float32(numbers, but=refused)
    wired[numbers.columns] = numbers.where(numbers.abs() <= LARGEST_NUMBER)
    rows = np.setdiff1d(np.arange(len(table)), list(refused))
    scores = _scores(predictor, predictor_columns(features(wired, columns)), rows)
    finite = np.isfinite(scores) if scores.ndim == 1 else np.isfinite(scores).all(axis=1)
    refused |= {int(row): _without_answer(numbers, int(row)) for row in rows[~finite]}
    reasons = pa.array([refused.get(row) for row in range(len(table))], pa.string())
    return {
        **_answers(contract, scores[finite], rows[finite], of=len(table), threshold=threshold),
        "refused": reasons,
    }


def _beyond_float32(numbers: pd.DataFrame, *, but: dict[int, str]) -> dict[int, str]:
    """Return a reason for each row with a number that the model's arithmetic cannot hold."""
    large = numbers.abs().to_numpy() > LARGEST_NUMBER
    rows = [row for row in np.flatnonzero(large.any(axis=1)).tolist() if row not in but]
    return {
        row: f"{_largest(numbers, row)} is too large: expected at most {LARGEST_NUMBER:.2g}"
        for row in rows
    }


def _scores(
    predictor: "Predictor", encoded: Encoded, rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the scores of the rows, NaN for a row that the model fails on.

    scikit-learn refuses all rows for one that overflows, so a part that fails is halved.
    """
    classes = len(predictor.contract.classes)
    scores = np.full(
        (len(rows), classes) if predictor.contract.task == "multiclass" else len(rows), np.nan
    )
    failures, parts = 0, [np.arange(len(rows))] if len(rows) else []
    while parts:
        part = parts.pop()
        try:
            scores[part] = predictor.scores(
                {name: values[rows[part]] for name, values in encoded.items()}
            )
        except ValueError as error:
            failures += len(part) == 1
            if failures > MOST_FAILURES:
                raise DataError(
                    f"{failures:,} rows",
                    expected="scores from the model",
                    found=" ".join(str(error).split()),
                    next_step="look at the columns that the error names; "
                    "if it is about none, at the model",
                ) from error
            parts += np.array_split(part, 2) if len(part) > 1 else []
    return scores


def _without_answer(numbers: pd.DataFrame, row: int) -> str:
    """Return the reason for a row whose score is no finite number: its largest number overflows."""
    if numbers.iloc[row].isna().all():
        return "the model gives no finite answer for this row"
    return (
        f"{_largest(numbers, row)} is too large for this model, whose answer is not a finite number"
    )


def _largest(numbers: pd.DataFrame, row: int) -> str:
    values = numbers.iloc[row].to_numpy(dtype=np.float64)
    target = int(np.nanargmax(np.abs(values)))
    return f"column {numbers.columns[target]!r}: {values[target]:g}"


def _answers(
    contract: Contract,
    scores: NDArray[np.float64],
    rows: NDArray[np.intp],
    *,
    of: int,
    threshold: float | None,
) -> dict[str, pa.Array]:
    """Return the columns of the answered rows, null in the others."""
    decision = Decision(contract, threshold)
    kind = pa.float64() if contract.task == "regression" else pa.string()
    columns = {
        "prediction": _spread(
            decision.predictions(scores) if len(rows) else [], rows, of=of, kind=kind
        )
    }
    probabilities = decision.probabilities(scores) if len(rows) else []
    for name in contract.classes:
        columns[f"score.{name}"] = _spread(
            [row[name] for row in probabilities or []], rows, of=of, kind=pa.float64()
        )
    return columns


def _spread(values: list[Any], rows: NDArray[np.intp], *, of: int, kind: pa.DataType) -> pa.Array:
    spread: list[Any] = [None] * of
    for row, value in zip(rows.tolist(), values, strict=True):
        spread[row] = value
    return pa.array(spread, kind)
