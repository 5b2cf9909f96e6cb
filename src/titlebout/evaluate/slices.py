"""The primary metric on sub-populations of the holdout: a good average may hide an airline that nobody served well."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.evaluate.part import Part
from titlebout.spec import DataError, ModelSpec, SliceResult

NUMBER_SLICES = 4  # a column of numbers or dates is cut at its quartiles
MISSING = "missing"


def slice_results(spec: ModelSpec, holdout: Part, scores: NDArray[np.float64], *, confidence: float) -> tuple[SliceResult, ...]:
    """Every slice of at least `slices.minimum_rows` rows on which the metric is defined, in the columns' order, largest first."""
    found = []
    for column in spec.slices.columns:
        values = _values(holdout.frame[column], spec.columns[column].type)
        for value, rows in values.value_counts().items():
            if rows >= spec.slices.minimum_rows:
                inside = np.flatnonzero(values.to_numpy() == value)
                found += _result(spec, holdout, scores, column=column, value=str(value), inside=inside, confidence=confidence)
    return tuple(found)


def _values(column: "pd.Series[Any]", kind: str) -> "pd.Series[Any]":
    if kind == "date":
        column = pd.to_datetime(column)
    if kind in ("number", "date") and column.nunique() > NUMBER_SLICES:
        column = pd.qcut(column, NUMBER_SLICES, duplicates="drop")
    return column.astype(object).where(column.notna(), MISSING).astype(str)


def _result(
    spec: ModelSpec,
    holdout: Part,
    scores: NDArray[np.float64],
    *,
    column: str,
    value: str,
    inside: NDArray[np.int64],
    confidence: float,
) -> list[SliceResult]:
    blocks, groups = (None if codes is None else codes[inside] for codes in (holdout.blocks, holdout.groups))
    try:
        estimate = metrics.interval(
            spec.metric, holdout.y[inside], scores[inside], blocks=blocks, groups=groups, confidence=confidence, seed=spec.seed
        )
    except DataError:
        return []  # one label only: the metric is undefined there
    return [SliceResult(column=column, value=value, rows=len(inside), metric=estimate)]
