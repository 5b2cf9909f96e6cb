"""One 64-bit number per row, from all columns' values: the same row has the same hash in any file format, dtype, row or column order.

A value counts as what it says: 3, 3.0 and "3" are one number, `True` and 1 too, an ISO date in a text is that date, space around a text is
none. Missing words were read before; here only null and the empty text are missing. Not for adversaries.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.normalize import normalize_column, normalize_frame
from titlebout.data.parse import parse_numbers, parse_times

Hashes = NDArray[np.uint64]
TIME_SALT = np.uint64(
    0x5449_4D45_5449_4D45
)  # keeps 1,000 microseconds after 1970 apart from the number 1000
LARGEST_EXACT = (
    2.0**53
)  # whole numbers beyond it are no longer all different as float64: they count by their digits
NUMBER_WORDS = {
    "True": "1",
    "true": "1",
    "TRUE": "1",
    "False": "0",
    "false": "0",
    "FALSE": "0",
    "inf": "1e999",
    "-inf": "-1e999",
}


def row_hashes(frame: pd.DataFrame) -> Hashes:
    """Shape (rows,). A missing value adds nothing, so a new column that is still empty changes no hash."""
    total = np.zeros(len(frame), dtype=np.uint64)
    columns = normalize_frame(frame, missing=())
    for name in columns.columns:
        values, missing = _value_hashes(columns[name])
        total += np.where(
            missing, np.uint64(0), mix(values ^ mix(_text_hashes(pd.Series([name]))[0]))
        )
    return np.asarray(mix(total))


def value_hashes(values: "pd.Series[Any]") -> Hashes:
    """Shape (rows,): of one column alone."""
    return np.asarray(mix(_value_hashes(normalize_column(values))[0]))


def unit(hashes: Hashes, *, salt: str) -> NDArray[np.float64]:
    """A number in [0, 1) per hash, uniform and independent for different salts."""
    return (
        np.asarray(mix(hashes ^ _text_hashes(pd.Series([salt]))[0]) >> np.uint64(11)).astype(
            np.float64
        )
        / LARGEST_EXACT
    )


def mix(values: Any) -> Any:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every input bit changes half of the output bits."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def _value_hashes(values: "pd.Series[Any]") -> tuple[Hashes, NDArray[np.bool_]]:
    missing = values.isna().to_numpy()
    kind = values.dtype.kind
    if kind == "M":
        return _time_hashes(values.to_numpy(dtype="datetime64[us]")), missing
    if kind in "bif":
        return _number_hashes(values), missing
    return _word_hashes(values), missing


def _time_hashes(moments: NDArray[np.datetime64]) -> Hashes:
    return np.asarray(mix(moments.astype(np.int64).view(np.uint64) ^ TIME_SALT))


def _number_hashes(values: "pd.Series[Any]") -> Hashes:
    exact = values.to_numpy(dtype=np.float64) + 0.0  # turns -0.0 into 0.0
    hashes: Hashes = np.asarray(mix(exact.view(np.uint64)))
    large = np.isfinite(exact) & (np.abs(exact) >= LARGEST_EXACT)
    if large.any():
        digits = pd.Series([str(int(value)) for value in values.to_numpy()[large]], dtype="str")
        hashes[large] = _text_hashes(digits)
    return hashes


def _word_hashes(texts: "pd.Series[Any]") -> Hashes:
    codes, words = pd.factorize(texts)  # missing texts get the code -1, whose hash nobody uses
    if not len(words):
        return np.zeros(len(texts), dtype=np.uint64)
    return _distinct_word_hashes(pd.Series(words, dtype="str"))[codes]


def _distinct_word_hashes(words: "pd.Series[Any]") -> Hashes:
    """Each text by what it says: a truth value, a number, a time, or itself."""
    said = words.str.strip().replace(NUMBER_WORDS)
    as_numbers = parse_numbers(said)
    hashes = _number_hashes(pd.Series(as_numbers))
    huge = np.isfinite(as_numbers) & (np.abs(as_numbers) >= LARGEST_EXACT)
    if huge.any():
        hashes[huge] = _text_hashes(said[huge].map(_digits))
    other = np.isnan(as_numbers)
    moments = parse_times(said[other])
    hashes[other] = np.where(np.isnat(moments), _text_hashes(said[other]), _time_hashes(moments))
    return hashes


def _digits(text: str) -> str:
    bare = text.strip().lstrip("+")
    return bare if bare.lstrip("-").isdigit() else str(int(float(bare)))


def _text_hashes(texts: "pd.Series[Any]") -> Hashes:
    return pd.util.hash_array(texts.to_numpy(dtype=object), categorize=False)
