"""Hash each row to a 64-bit number, from the values of all columns.

The same row has the same hash in any file format, dtype, row order or column order.
A value counts by its meaning:

- 3, 3.0 and "3" are one number; so are `True` and 1.
- An ISO date in a text is that date.
- Space around a text does not count.
- Only null and the empty text are missing. Missing words were replaced before.

The hash is not made to resist an attacker.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.normalize import normalize_column, normalize_frame
from titlebout.data.parse import parse_numbers, parse_times

Hashes = NDArray[np.uint64]
# Keeps 1,000 microseconds after 1970 apart from the number 1000.
TIME_SALT = np.uint64(0x5449_4D45_5449_4D45)
# Beyond it, different whole numbers may be equal as float64. So they count by their digits.
LARGEST_EXACT = 2.0**53
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
    """Return the hash of each row, shape (rows,).

    A missing value adds nothing. So a new column that is still empty changes no hash.
    """
    total = np.zeros(len(frame), dtype=np.uint64)
    columns = normalize_frame(frame, missing=())
    for name in columns.columns:
        values, missing = _hash_values(columns[name])
        total += np.where(
            missing, np.uint64(0), mix(values ^ mix(_hash_texts(pd.Series([name]))[0]))
        )
    return np.asarray(mix(total))


def value_hashes(values: "pd.Series[Any]") -> Hashes:
    """Return the hash of each value of one column, shape (rows,)."""
    return np.asarray(mix(_hash_values(normalize_column(values))[0]))


def unit(hashes: Hashes, *, salt: str) -> NDArray[np.float64]:
    """Return a number in [0, 1) per hash, uniform and independent for different salts."""
    return (
        np.asarray(mix(hashes ^ _hash_texts(pd.Series([salt]))[0]) >> np.uint64(11)).astype(
            np.float64
        )
        / LARGEST_EXACT
    )


def mix(values: Any) -> Any:
    """Mix the bits, so that every input bit changes half of the output bits.

    This is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def _hash_values(values: "pd.Series[Any]") -> tuple[Hashes, NDArray[np.bool_]]:
    missing = values.isna().to_numpy()
    kind = values.dtype.kind
    if kind == "M":
        return _hash_times(values.to_numpy(dtype="datetime64[us]")), missing
    if kind in "bif":
        return _hash_numbers(values), missing
    return _hash_words(values), missing


def _hash_times(moments: NDArray[np.datetime64]) -> Hashes:
    return np.asarray(mix(moments.astype(np.int64).view(np.uint64) ^ TIME_SALT))


def _hash_numbers(values: "pd.Series[Any]") -> Hashes:
    exact = values.to_numpy(dtype=np.float64) + 0.0  # turns -0.0 into 0.0
    hashes: Hashes = np.asarray(mix(exact.view(np.uint64)))
    large = np.isfinite(exact) & (np.abs(exact) >= LARGEST_EXACT)
    if large.any():
        digits = pd.Series([str(int(value)) for value in values.to_numpy()[large]], dtype="str")
        hashes[large] = _hash_texts(digits)
    return hashes


def _hash_words(texts: "pd.Series[Any]") -> Hashes:
    codes, words = pd.factorize(texts)  # missing texts get the code -1, whose hash is not used
    if not len(words):
        return np.zeros(len(texts), dtype=np.uint64)
    return _hash_distinct_words(pd.Series(words, dtype="str"))[codes]


def _hash_distinct_words(words: "pd.Series[Any]") -> Hashes:
    """Hash each text by its meaning: a truth value, a number, a time, or itself."""
    trimmed = words.str.strip().replace(NUMBER_WORDS)
    as_numbers = parse_numbers(trimmed)
    hashes = _hash_numbers(pd.Series(as_numbers))
    huge = np.isfinite(as_numbers) & (np.abs(as_numbers) >= LARGEST_EXACT)
    if huge.any():
        hashes[huge] = _hash_texts(trimmed[huge].map(_write_digits))
    other = np.isnan(as_numbers)
    texts = trimmed[other]
    moments = parse_times(texts)
    hashes[other] = np.where(np.isnat(moments), _hash_texts(texts), _hash_times(moments))
    return hashes


def _write_digits(text: str) -> str:
    bare = text.strip().lstrip("+")
    return bare if bare.lstrip("-").isdigit() else str(int(float(bare)))


def _hash_texts(texts: "pd.Series[Any]") -> Hashes:
    return pd.util.hash_array(texts.to_numpy(dtype=object), categorize=False)
