"""What a text column says: numbers, truth values, ISO dates. One grammar, so that reading, hashing and guessing agree."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
ISO_TIME = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?$"
ZONE = r"(:\d{2}(?:\.\d+)?)(?:Z|[+-]\d{2}:?\d{2})$"
TRUE, FALSE = frozenset({"true", "yes", "t", "y", "1", "1.0"}), frozenset({"false", "no", "f", "n", "0", "0.0"})


def numbers(texts: "pd.Series[Any]") -> NDArray[np.float64]:
    """The nearest float64 of each text that is a decimal number, NaN elsewhere; exact, so a written float reads back as itself."""
    values = _arrow(texts)
    plain = pc.utf8_ltrim(pc.utf8_trim_whitespace(values), "+")
    digits = pc.if_else(matches(texts, NUMBER), plain, pa.scalar(None, plain.type))
    return _numpy(pc.cast(digits, pa.float64())).astype(np.float64)


def iso_times(texts: "pd.Series[Any]") -> NDArray[np.datetime64]:
    """The wall clock, in microseconds, of each text that is an ISO 8601 date or time; NaT elsewhere. Zones are left aside."""
    values = texts.where(matches(texts, ISO_TIME))
    if not values.notna().any():
        return np.full(len(values), np.datetime64("NaT", "us"))
    clock = values.str.replace(ZONE, r"\1", regex=True)
    return np.asarray(pd.to_datetime(clock, format="ISO8601", errors="coerce"), dtype="datetime64[us]")


def truths(texts: "pd.Series[Any]") -> "pd.Series[Any]":
    """True or False for the usual words, missing elsewhere, as pandas' nullable `boolean`."""
    words = {word: _truth(word) for word in texts.dropna().unique()}
    return texts.map(words).astype("boolean")


def matches(texts: "pd.Series[Any]", pattern: str) -> NDArray[np.bool_]:
    """Whether each text fits the RE2 pattern; a missing one does not."""
    return _numpy(pc.fill_null(pc.match_substring_regex(_arrow(texts), pattern), False)).astype(np.bool_)


def _truth(word: str) -> bool | None:
    lower = word.strip().lower()
    return True if lower in TRUE else False if lower in FALSE else None


def _arrow(texts: "pd.Series[Any]") -> Any:
    values = pa.array(texts, from_pandas=True)
    return values.cast(pa.large_string()) if values.type != pa.large_string() else values


def _numpy(values: Any) -> NDArray[Any]:
    return np.asarray(values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy())
