"""Columns as shares of rows in a few bins that the reference sets: numbers by its tenths, categories by name."""

import itertools
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NUMBER_BINS = 10  # tenths of the reference: enough to see a shift of the middle or of a tail, few enough to be full
NAMED_CATEGORIES = 20  # the most frequent have a bin each, all others one together, which is where new ones fall
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MISSING, OTHER = "missing", "other"

Kind = Literal["number", "boolean", "category", "date"]


class Bins(NamedTuple):
    """`edges` are the inner edges of a number's bins; `names` are all bins' names, the last of them for missing values."""

    kind: Kind
    edges: NDArray[np.float64]
    names: tuple[str, ...]

    def codes(self, values: "pd.Series[Any]") -> NDArray[np.intp]:
        """The bin of each value, shape (rows,)."""
        if self.kind == "number":
            found = np.asarray(np.searchsorted(self.edges, values.to_numpy(dtype=np.float64, na_value=np.nan), side="right"), dtype=np.intp)
        elif self.kind == "date":
            found = np.asarray(pd.to_datetime(values).dt.weekday.fillna(0), dtype=np.intp)
        else:
            known = {name: code for code, name in enumerate(self.names)}
            found = np.asarray(_texts(values).map(known).fillna(known[OTHER]), dtype=np.intp)
        return np.where(values.isna().to_numpy(), len(self.names) - 1, found)


def bins_of(values: "pd.Series[Any]", kind: Kind) -> Bins:
    """Set by the reference. Of dates only the weekday is compared: that the calendar moves on is no drift."""
    present = values.dropna()
    if kind == "number":
        return _of_numbers(present.to_numpy(dtype=np.float64))
    if kind == "date":
        return Bins(kind, np.empty(0), (*WEEKDAYS, MISSING))
    frequent = _texts(present).value_counts().index[:NAMED_CATEGORIES]
    return Bins(kind, np.empty(0), (*sorted(map(str, frequent)), OTHER, MISSING))


def _of_numbers(present: NDArray[np.float64]) -> Bins:
    quantiles = np.quantile(present, np.linspace(0, 1, NUMBER_BINS + 1)[1:-1]) if len(present) else np.empty(0)
    edges = np.unique(quantiles)
    bounds = ["−∞", *(f"{edge:.4g}" for edge in edges), "∞"]
    return Bins("number", edges, (*(f"{low} to {high}" for low, high in itertools.pairwise(bounds)), MISSING))


def _texts(values: "pd.Series[Any]") -> "pd.Series[str]":
    return values.astype(object).map(str)
