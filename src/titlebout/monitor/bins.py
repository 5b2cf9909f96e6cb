"""Columns as shares of rows in a few bins that the reference sets.

Numbers fall between quantiles of the reference, and each frequent value has a bin of its own. Categories go by name, dates by weekday.
What lies outside of all that the reference holds has bins of its own, too: below and above, before and after, new, missing.
"""

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NUMBER_BINS = 10  # tenths see a shift of the middle; where frequent values leave fewer rows, there are fewer bins, so that each is full
LEAST_NUMBER_BINS = 3
TAILS = (0.01, 0.99)  # see a tail that grows, which a tenth would hide
FREQUENT_SHARE = 0.04  # a value that so many rows have is a bin of its own, so that a flag with 5 % ones is seen to change
NAMED_CATEGORIES = 20  # the most frequent have a bin each, the reference's others one together
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
DAY_MICROSECONDS = 86_400_000_000
# In parentheses, so that a category of the user's that is called "new" is told apart.
BELOW, ABOVE, BEFORE, AFTER = (
    "(below all known)",
    "(above all known)",
    "(before all known)",
    "(after all expected)",
)
OTHER, NEW, MISSING = "(other known)", "(new)", "(missing)"

Kind = Literal["number", "boolean", "category", "date"]
Blocks = NDArray[np.integer[Any]]
Codes = NDArray[np.intp]
Floats = NDArray[np.float64]


class Bins(NamedTuple):
    """The bins of one column.

    `names` are all bins' names, the last of them for missing values. `code` gives the bin of each value that is present. `reference` holds
    the bin of each of the reference's rows as if its own block had not been known: a reference that is held against itself never leaves
    its own range, and every window would.
    """

    names: tuple[str, ...]
    code: Callable[["pd.Series[Any]"], Codes]
    reference: Codes

    def codes(self, values: "pd.Series[Any]") -> Codes:
        """Return the bin of each value, shape (rows,)."""
        found = np.full(len(values), len(self.names) - 1, dtype=np.intp)
        present = values.notna().to_numpy()
        found[present] = self.code(values[present])
        return found


def bins_of(
    values: "pd.Series[Any]",
    kind: Kind,
    *,
    blocks: Blocks | None = None,
    newest: datetime | None = None,
) -> Bins:
    """Set the bins by the reference's values.

    `blocks` says which rows of the reference come and go together (None: each row alone). `newest` is the window's last moment; dates are
    after all expected only if they lie far after it, since the calendar moves on.
    """
    present = values.notna().to_numpy()
    apart = (np.arange(len(values)) if blocks is None else np.asarray(blocks))[present]
    names, code, found = _NAMED[kind](values[present], apart, newest)
    reference = np.full(len(values), len(names), dtype=np.intp)
    reference[present] = found
    return Bins((*names, MISSING), code, reference)


class _Range(NamedTuple):
    """What is known to lie within, and the rows' own limits: without the block that sets the limit, its rows would lie outside."""

    low: float
    high: float
    low_without_own: Floats
    high_without_own: Floats


def _range(numbers: Floats, blocks: Blocks) -> _Range:
    high, high_without_own = _largest(numbers, blocks)
    low, low_without_own = _largest(-numbers, blocks)
    return _Range(-low, high, -low_without_own, high_without_own)


def _largest(numbers: Floats, blocks: Blocks) -> tuple[float, Floats]:
    """Return the largest number, and for each row the largest of all other blocks; minus infinity if there is none."""
    if not len(numbers):
        return -np.inf, numbers
    block = blocks[numbers.argmax()]
    others = numbers[blocks != block]
    return float(numbers.max()), np.where(
        blocks == block, others.max(initial=-np.inf), numbers.max()
    )


def _of_numbers(values: "pd.Series[Any]", blocks: Blocks, _newest: datetime | None) -> "_Coded":
    numbers = _floats(values)
    edges, known = _edges(numbers), _range(numbers, blocks)
    names = (BELOW, *_between(edges), ABOVE)

    def code(some: Floats, low: Floats | float, high: Floats | float) -> Codes:
        inside = 1 + np.searchsorted(edges, some, side="right")
        return np.where(some < low, 0, np.where(some > high, len(names) - 1, inside)).astype(
            np.intp
        )

    reference = code(numbers, known.low_without_own, known.high_without_own)
    return names, lambda some: code(_floats(some), known.low, known.high), reference


def _edges(numbers: Floats) -> Floats:
    """Return the inner edges: quantiles of the values that are not frequent, and both sides of each frequent one."""
    distinct, counts = np.unique(numbers, return_counts=True)
    frequent = distinct[counts >= FREQUENT_SHARE * len(numbers)]
    others = numbers[~np.isin(numbers, frequent)]
    return np.unique(
        np.concatenate(
            [_quantiles(others, of=len(numbers)), frequent, np.nextafter(frequent, np.inf)]
        )
    )


def _quantiles(numbers: Floats, *, of: int) -> Floats:
    """Return the borders of bins that hold about a tenth of all rows, or a third of these."""
    if not len(numbers):
        return numbers
    share = len(numbers) / of
    count = max(LEAST_NUMBER_BINS, round(NUMBER_BINS * share))
    levels = [*np.arange(1, count) / count, *(TAILS if share > 1 / 2 else ())]
    return np.asarray(np.quantile(numbers, levels, method="lower"))


def _between(edges: Floats) -> list[str]:
    """Name the bins between the edges; a frequent value's bin has the value's name."""
    if not len(edges):
        return ["any"]
    alone = [np.nextafter(low, np.inf) == high for low, high in itertools.pairwise(edges)]
    texts = [f"{edge:.4g}" for edge in edges]
    texts = [
        texts[0],
        *(
            before if one else text
            for before, text, one in zip(texts, texts[1:], alone, strict=False)
        ),
    ]
    inner = [
        low if one else f"{low} to {high}"
        for (low, high), one in zip(itertools.pairwise(texts), alone, strict=True)
    ]
    return [f"under {texts[0]}", *inner, f"{texts[-1]} and over"]


def _of_dates(values: "pd.Series[Any]", blocks: Blocks, newest: datetime | None) -> "_Coded":
    numbers = _microseconds(values)
    known = _range(numbers, blocks)
    now = (
        known.high
        if newest is None
        else max(known.high, float(_microseconds(pd.Series([newest]))[0]))
    )
    latest = now + (known.high - known.low if len(numbers) else np.inf)
    names = (BEFORE, *WEEKDAYS, AFTER)

    def code(some: Floats, low: Floats | float) -> Codes:
        weekday = (np.floor(some / DAY_MICROSECONDS) + EPOCH_WEEKDAY) % len(WEEKDAYS)
        return np.where(some < low, 0, np.where(some > latest, len(names) - 1, 1 + weekday)).astype(
            np.intp
        )

    return (
        names,
        lambda some: code(_microseconds(some), known.low),
        code(numbers, known.low_without_own),
    )


def _of_categories(values: "pd.Series[Any]", blocks: Blocks, _newest: datetime | None) -> "_Coded":
    """Bins by name; a rare category that one block alone holds would have been new to the others."""
    texts = _texts(values)
    frequent = texts.value_counts().index
    named = sorted(frequent[:NAMED_CATEGORIES])
    other, new = len(named), len(named) + 1
    places = dict.fromkeys(frequent, other) | {name: place for place, name in enumerate(named)}

    def code(some: "pd.Series[Any]") -> Codes:
        return np.asarray(_texts(some).map(places).fillna(new), dtype=np.intp)

    found = code(values)
    pairs = pd.DataFrame({"text": texts.to_numpy(), "block": blocks})
    in_one_block = pairs.groupby("text")["block"].transform("nunique").to_numpy() == 1
    return (*named, OTHER, NEW), code, np.where((found == other) & in_one_block, new, found)


_Coded = tuple[tuple[str, ...], Callable[["pd.Series[Any]"], Codes], Codes]
_NAMED: dict[Kind, Callable[["pd.Series[Any]", Blocks, datetime | None], _Coded]] = {
    "number": _of_numbers,
    "boolean": _of_categories,
    "category": _of_categories,
    "date": _of_dates,
}


def _floats(values: "pd.Series[Any]") -> Floats:
    return values.to_numpy(dtype=np.float64)


def _microseconds(values: "pd.Series[Any]") -> Floats:
    return np.asarray(
        pd.to_datetime(values, utc=True).dt.tz_localize(None), dtype="datetime64[us]"
    ).astype(np.float64)


def _texts(values: "pd.Series[Any]") -> "pd.Series[str]":
    return values.astype(object).map(str)
