"""Read the target: its values in wire form, and its classes in the order of their codes."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.wire import category_texts, to_wire
from titlebout.spec import DataError, ModelSpec


def target_values(raw: "pd.Series[Any]", spec: ModelSpec) -> "pd.Series[Any]":
    """Return text for classes, float64 for regression.

    Raise DataError if all values are missing, or if one is no number in a regression.
    """
    subject = f"target {spec.target.column!r} of model {spec.name}"
    if not raw.notna().any():
        raise DataError(
            subject,
            expected="values",
            found="none: all are missing",
            next_step="fill the target, or name another column",
        )
    if spec.task != "regression":
        return category_texts(raw, spec.target.format)
    values, wrong = to_wire(raw, "number", spec.target.format)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            subject,
            expected=f"numbers{_describe_format(spec)}, as task is regression",
            found=f"{int(wrong.sum()):,} other values, for example "
            f"{str(raw.iloc[row])[:60]!r} in row {int(raw.index[row]) + 1:,}",
            next_step="fix the source, or set task to binary or multiclass",
        )
    return values


def _describe_format(spec: ModelSpec) -> str:
    return f" written as {spec.target.format}" if spec.target.format else ""


def classes_of(values: "pd.Series[Any]", spec: ModelSpec) -> tuple[str, ...]:
    """Return the classes in the order of their codes.

    Binary: (negative, positive). Multiclass: sorted. Regression: none.
    Raise DataError if the task does not fit the values.
    """
    found = sorted(values.dropna().unique())
    subject = f"target {spec.target.column!r} of model {spec.name}"
    if len(found) < 2:
        raise DataError(
            subject,
            expected="at least two different values",
            found=f"only {str(found[0])!r} in {len(values):,} rows" if found else "none",
            next_step="take in rows with other values: a longer window, a larger fraction, "
            "or another source",
        )
    if spec.task == "regression":
        return ()
    return _order_binary(found, spec, subject) if spec.task == "binary" else tuple(found)


def _order_binary(found: list[str], spec: ModelSpec, subject: str) -> tuple[str, ...]:
    positive = str(spec.target.positive)
    shown = ", ".join(map(repr, found[:10]))
    if positive not in found:
        raise DataError(
            subject,
            expected=f"the class {positive!r}",
            found=shown,
            next_step="correct target.positive in model.yaml",
        )
    if len(found) > 2:
        raise DataError(
            subject,
            expected="two classes, as task is binary",
            found=shown,
            next_step="set task to multiclass, or merge classes",
        )
    return (next(name for name in found if name != positive), positive)


def codes(
    values: "pd.Series[Any]", classes: tuple[str, ...]
) -> NDArray[np.int64] | NDArray[np.float64]:
    """Return 0..k-1 in the order of `classes`, or the numbers themselves for regression.

    A missing class has the code -1.
    """
    if not classes:
        return values.to_numpy(dtype=np.float64)
    return pd.Categorical(values, categories=list(classes)).codes.astype(np.int64)
