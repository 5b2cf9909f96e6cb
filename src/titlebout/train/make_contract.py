"""What a fitted model takes and gives, and the rows on which its two engines must agree."""

from typing import TYPE_CHECKING, Any

import numpy as np

from titlebout.data import sample_positions
from titlebout.spec import Contract, Dataset, Engine, Input, ModelSpec
from titlebout.train.estimators import BASELINE, requirements

if TYPE_CHECKING:
    import pandas as pd

PARITY_MAX_ROWS = 10_000
STRANGE_ROWS = 100  # rows added with unknown categories or missing numbers, which serving must answer as training would
UNKNOWN_CATEGORY = "a category that no table holds"


def make_contract(
    name: str, spec: ModelSpec, dataset: Dataset, *, frame: "pd.DataFrame", threshold: float | None
) -> Contract:
    """`frame` holds training rows as clients send them; the first complete one becomes the contract's example."""
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
                example=_plain(example[column], kind.type),
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
    """Model columns of the holdout, without labels, and some of its rows again with every second column unknown or missing."""
    import pandas as pd

    random = np.random.default_rng(seed)
    if len(X) > PARITY_MAX_ROWS - STRANGE_ROWS:
        X = X.iloc[sample_positions(len(X), PARITY_MAX_ROWS - STRANGE_ROWS, random)]
    strange = X.iloc[:STRANGE_ROWS].copy()
    for column in strange:
        unknown = float("nan") if strange[column].dtype.kind == "f" else UNKNOWN_CATEGORY
        strange[column] = strange[column].where(random.random(len(strange)) < 0.5, unknown)
    return pd.concat([X, strange], ignore_index=True)


def _plain(value: Any, kind: str) -> float | bool | str | None:
    """As JSON has it; dates as ISO 8601 text."""
    if value is None or value != value:  # noqa: PLR0124
        return None
    if kind == "date":
        return (
            value
            if isinstance(value, str)
            else str(np.datetime_as_string(np.datetime64(value), unit="auto"))
        )
    return {"number": float, "boolean": bool, "category": str}[kind](value)  # type: ignore[no-any-return]
