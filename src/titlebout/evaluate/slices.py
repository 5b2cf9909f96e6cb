"""Measure the primary metric on slices of the holdout.

A good average may hide an airline for which the model is bad.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.data import PartRows
from titlebout.spec import DataError, ModelSpec, SliceResult, SmallSlices

NUMBER_SLICES = 4  # a column of numbers or dates is split at its quartiles
MISSING = "missing"


class SlicesMeasured(NamedTuple):
    """Hold every slice that could be measured, and per column those that could not.

    Measured slices are in the columns' order, the largest first.
    """

    measured: tuple[SliceResult, ...]
    small: tuple[SmallSlices, ...]


class _Slice(NamedTuple):
    column: str
    value: str
    inside: NDArray[np.int64]


def measure_slices(
    spec: ModelSpec, holdout: PartRows, scores: NDArray[np.float64], *, confidence: float
) -> SlicesMeasured:
    """Measure the slices of at least `slices.minimum_rows` rows on which the metric is defined.

    `confidence` is that all intervals hold at once: with m slices each interval has
    1 − (1 − confidence) / m (Bonferroni).
    """
    every = [one for column in spec.slices.columns for one in _slices_of(spec, holdout, column)]
    large = [
        one
        for one in every
        if len(one.inside) >= spec.slices.minimum_rows and _is_defined(spec, holdout, scores, one)
    ]
    each = 1 - (1 - confidence) / max(1, len(large))
    measured = tuple(_result(spec, holdout, scores, one, confidence=each) for one in large)
    too_small = [one for one in every if not any(one is other for other in large)]
    small = [
        _small(column, [one for one in too_small if one.column == column])
        for column in spec.slices.columns
    ]
    return SlicesMeasured(measured, tuple(one for one in small if one.slices))


def _slices_of(spec: ModelSpec, holdout: PartRows, column: str) -> list[_Slice]:
    values = _values(holdout.frame[column], spec.columns[column].type)
    return [
        _Slice(column, str(value), np.flatnonzero(values.to_numpy() == value))
        for value in values.value_counts().index
    ]


def _values(column: "pd.Series[Any]", kind: str) -> "pd.Series[Any]":
    if kind == "date":
        column = pd.to_datetime(column)
    if kind in ("number", "date") and column.nunique() > NUMBER_SLICES:
        column = pd.qcut(column, NUMBER_SLICES, duplicates="drop")
    return column.astype(object).where(column.notna(), MISSING).astype(str)


def _is_defined(
    spec: ModelSpec, holdout: PartRows, scores: NDArray[np.float64], one: _Slice
) -> bool:
    try:
        metrics.score(spec.metric, holdout.y[one.inside], scores[one.inside])
    except DataError:
        return False  # one label only: the metric is undefined there
    return True


def _result(
    spec: ModelSpec,
    holdout: PartRows,
    scores: NDArray[np.float64],
    one: _Slice,
    *,
    confidence: float,
) -> SliceResult:
    blocks, groups = (
        None if codes is None else codes[one.inside] for codes in (holdout.days, holdout.groups)
    )
    y, predicted = holdout.y[one.inside], scores[one.inside]
    estimate = metrics.interval(
        spec.metric,
        y,
        predicted,
        blocks=blocks,
        groups=groups,
        confidence=confidence,
        seed=spec.seed,
    )
    return SliceResult(column=one.column, value=one.value, rows=len(one.inside), metric=estimate)


def _small(column: str, slices: list[_Slice]) -> SmallSlices:
    sizes = [len(one.inside) for one in slices]
    return SmallSlices(
        column=column, slices=len(sizes), rows=sum(sizes), largest=max(sizes, default=0)
    )
