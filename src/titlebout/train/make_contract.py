"""Make a fitted model's contract, and the rows on which its two engines must agree."""

from typing import TYPE_CHECKING, Any

import numpy as np

from titlebout.data import sample_positions
from titlebout.spec import Contract, Dataset, Engine, Input, ModelSpec
from titlebout.train.estimators import BASELINE, requirements

if TYPE_CHECKING:
    import pandas as pd

PARITY_MAX_ROWS = 10_000
# Rows added with unknown categories or missing numbers. Serving must answer them as training would.
DAMAGED_ROWS = 100
UNKNOWN_CATEGORY = "a category that no table holds"


def make_contract(
    name: str, spec: ModelSpec, dataset: Dataset, *, frame: "pd.DataFrame", threshold: float | None
) -> Contract:
    """Return the contract of a fitted model, not yet converted.

    `frame` holds training rows as clients send them. The first complete one is the example.
    """
    inputs = list(dataset.columns)
    complete = frame[inputs].dropna()
    example = (complete if len(complete) else frame).iloc[0]
    return Contract(
        model=spec.name,
        task=spec.task,
        target=dataset.target,
        inputs=tuple(
            Input(
                name=column,
                type=kind.type,
                format=kind.format,
                example=_json_value(example[column], kind.type),
            )
            for column, kind in dataset.columns.items()
        ),
        missing=dataset.missing,
        classes=dataset.classes,
        positive=spec.target.positive if spec.task == "binary" else None,
        threshold=threshold,
        engine=Engine(name="sklearn", reason="not converted yet"),
        requires=() if name == BASELINE else requirements(spec.candidates[name]),
    )


def parity_rows(X: "pd.DataFrame", *, seed: int) -> "pd.DataFrame":
    """Return model columns of the holdout, without labels, and some of its rows damaged.

    In a damaged row about half of the columns are unknown or missing.
    """
    import pandas as pd

    random = np.random.default_rng(seed)
    if len(X) > PARITY_MAX_ROWS - DAMAGED_ROWS:
        X = X.iloc[sample_positions(len(X), PARITY_MAX_ROWS - DAMAGED_ROWS, random)]
    damaged = X.iloc[:DAMAGED_ROWS].copy()
    for column in damaged:
        unknown = float("nan") if damaged[column].dtype.kind == "f" else UNKNOWN_CATEGORY
        damaged[column] = damaged[column].where(random.random(len(damaged)) < 0.5, unknown)
    return pd.concat([X, damaged], ignore_index=True)


def _json_value(value: Any, kind: str) -> float | bool | str | None:
    """Return the value as JSON holds it, a date as ISO 8601 text."""
    if value is None or value != value:  # noqa: PLR0124
        return None
    if kind == "date":
        return (
            value
            if isinstance(value, str)
            else str(np.datetime_as_string(np.datetime64(value), unit="auto"))
        )
    return {"number": float, "boolean": bool, "category": str}[kind](value)  # type: ignore[no-any-return]
