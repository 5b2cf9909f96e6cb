"""Turn a column into shares of rows in a few bins, which the reference sets.

Numbers fall between quantiles of the reference, and each frequent value has a bin of its own.
Categories go by name, dates by weekday. Values outside of all that the reference holds have bins of
their own, too: below and above, before and after, new, missing.
"""

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Tenths show a shift of the middle. Where frequent values leave fewer rows, there are fewer bins,
# so that each is full.
NUMBER_BINS = 10
LEAST_NUMBER_BINS = 3
TAILS = (0.01, 0.99)  # show a tail that grows, which a tenth would hide
# A value that so many rows have gets its own bin. So a change of a flag with 5 % ones is seen.
FREQUENT_SHARE = 0.04
NAMED_CATEGORIES = 20  # the most frequent have a bin each; the reference's others share one
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
DAY_MICROSECONDS = 86_400_000_000
# In parentheses, so that they differ from a user's category that is called "new".
BELOW = "(below all known)"
ABOVE = "(above all known)"
BEFORE = "(before all known)"
AFTER = "(after all expected)"
OTHER = "(other known)"
NEW = "(new)"
MISSING = "(missing)"

Kind = Literal["number", "boolean", "category", "date"]
Blocks = NDArray[np.integer[Any]]
Codes = NDArray[np.intp]
Floats = NDArray[np.float64]


class Bins(NamedTuple):
    """Describe the bins of one column.

    `names` are all bins' names, the last of them for missing values. `code` gives the bin of each
    value that is present. `reference` holds the bin of each of the reference's rows, as if its own
    block had not been known. Without that, the reference would never leave its own range, and every
    window would.
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


def make_bins(
    values: "pd.Series[Any]",
    kind: Kind,
    *,
    blocks: Blocks | None = None,
    newest: datetime | None = None,
) -> Bins:
    """Return the bins that the reference's values set.

    `blocks` says which rows of the reference belong together (None: each row alone). `newest` is
    the window's last moment. Dates are after all expected only if they lie far after it, since the
    calendar moves on.
    """
    present = values.notna().to_numpy()
    own_blocks = (np.arange(len(values)) if blocks is None else np.asarray(blocks))[present]
    names, code, found = _BINNING[kind](values[present], own_blocks, newest)
    reference = np.full(len(values), len(names), dtype=np.intp)
    reference[present] = found
    return Bins((*names, MISSING), code, reference)


class _Range(NamedTuple):
    """Hold the range of the reference's values, and that range for each row without its own block.

    Without the block that sets a limit, that block's rows lie outside.
    """

    low: float
    high: float
    low_without_own: Floats
    high_without_own: Floats


def _find_range(numbers: Floats, blocks: Blocks) -> _Range:
    high, high_without_own = _find_largest(numbers, blocks)
    low, low_without_own = _find_largest(-numbers, blocks)
    return _Range(-low, high, -low_without_own, high_without_own)


def _find_largest(numbers: Floats, blocks: Blocks) -> tuple[float, Floats]:
    """Return the largest number, and for each row the largest of all other blocks.

    It is minus infinity if there is none.
    """
    if not len(numbers):
        return -np.inf, numbers
    block = blocks[numbers.argmax()]
    others = numbers[blocks != block]
    return float(numbers.max()), np.where(
        blocks == block, others.max(initial=-np.inf), numbers.max()
    )


def _bin_numbers(values: "pd.Series[Any]", blocks: Blocks, _newest: datetime | None) -> "_Coded":
    numbers = _floats(values)
    edges, known = _find_edges(numbers), _find_range(numbers, blocks)
    names = (BELOW, *_name_inner_bins(edges), ABOVE)

    def code(some: Floats, low: Floats | float, high: Floats | float) -> Codes:
        inside = 1 + np.searchsorted(edges, some, side="right")
        return np.where(some < low, 0, np.where(some > high, len(names) - 1, inside)).astype(
            np.intp
        )

    reference = code(numbers, known.low_without_own, known.high_without_own)
    return names, lambda some: code(_floats(some), known.low, known.high), reference


def _find_edges(numbers: Floats) -> Floats:
    """Return the inner edges, sorted, shape (edges,).

    They are quantiles of the values that are not frequent, and both sides of each frequent one.
    """
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


def _name_inner_bins(edges: Floats) -> list[str]:
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


def _bin_dates(values: "pd.Series[Any]", blocks: Blocks, newest: datetime | None) -> "_Coded":
    numbers = _microseconds(values)
    known = _find_range(numbers, blocks)
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


def _bin_categories(values: "pd.Series[Any]", blocks: Blocks, _newest: datetime | None) -> "_Coded":
    """Return bins by name. A rare category that only one block holds counts as new there."""
    texts = _texts(values)
    frequent = texts.value_counts().index
    named = sorted(frequent[:NAMED_CATEGORIES])
    other, new = len(named), len(named) + 1
    codes = dict.fromkeys(frequent, other) | {name: number for number, name in enumerate(named)}

    def code(some: "pd.Series[Any]") -> Codes:
        return np.asarray(_texts(some).map(codes).fillna(new), dtype=np.intp)

    found = code(values)
    pairs = pd.DataFrame({"text": texts.to_numpy(), "block": blocks})
    in_one_block = pairs.groupby("text")["block"].transform("nunique").to_numpy() == 1
    return (*named, OTHER, NEW), code, np.where((found == other) & in_one_block, new, found)


_Coded = tuple[tuple[str, ...], Callable[["pd.Series[Any]"], Codes], Codes]
_BINNING: dict[Kind, Callable[["pd.Series[Any]", Blocks, datetime | None], _Coded]] = {
    "number": _bin_numbers,
    "boolean": _bin_categories,
    "category": _bin_categories,
    "date": _bin_dates,
}


def _floats(values: "pd.Series[Any]") -> Floats:
    return values.to_numpy(dtype=np.float64)


def _microseconds(values: "pd.Series[Any]") -> Floats:
    return np.asarray(
        pd.to_datetime(values, utc=True).dt.tz_localize(None), dtype="datetime64[us]"
    ).astype(np.float64)


def _texts(values: "pd.Series[Any]") -> "pd.Series[str]":
    return values.astype(object).map(str)
