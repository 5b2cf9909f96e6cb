"""Read whole text columns as numbers, truth values and dates.

spec/formats.py has the grammar. `scoring` reads single values by the same one.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from titlebout.spec import (
    FIRST_TWO_DIGIT_YEAR,
    ISO,
    LONGEST_FORMATTED,
    MONTHS,
    NUMBER,
    PLAIN_NUMBER,
    date_format,
    number_format,
)

TRUE = frozenset({"true", "yes", "t", "y", "1", "1.0"})
FALSE = frozenset({"false", "no", "f", "n", "0", "0.0"})
MINUSES = ("-", "−")
NO_TIME = np.datetime64("NaT", "us")
FIRST_TIME = np.datetime64("0001-01-01", "us")
LAST_TIME = np.datetime64("9999-12-31T23:59:59.999999", "us")
Parts = dict[str, Any]  # Arrow arrays of text, empty where an optional part is absent


def parse_numbers(texts: "pd.Series[Any]", form: str | None = None) -> NDArray[np.float64]:
    """Return the nearest float64 of each text that is a number of the format, NaN elsewhere.

    A float that was written as text reads back as itself.
    """
    if form is not None and form != PLAIN_NUMBER:
        return _parse_formatted_numbers(texts, form)
    values = _to_arrow(texts)
    plain = pc.utf8_ltrim(pc.utf8_trim_whitespace(values), "+")
    digits = pc.if_else(matches_format(texts, NUMBER), plain, pa.scalar(None, plain.type))
    return _to_numpy(pc.cast(digits, pa.float64())).astype(np.float64)


def parse_times(texts: "pd.Series[Any]", form: str = ISO) -> NDArray[np.datetime64]:
    """Return the wall clock, in microseconds, of each text in the format, NaT elsewhere.

    ISO 8601 is read beside the format if it cannot be mistaken for it. Zones are left aside.
    """
    written = date_format(form)
    if written.unit:
        found = parse_epochs(parse_numbers(texts.where(texts.str.len() <= LONGEST_FORMATTED)), form)
        fits = matches_format(texts, NUMBER)
    else:
        parts, fits = _extract_groups(texts, written.pattern)
        found = np.full(len(texts), NO_TIME)
        found[fits] = _build_times(parts)
    if form != ISO and written.iso_too and not fits.all():
        found[~fits] = parse_times(texts[~fits])
    return found


def parse_epochs(values: NDArray[np.float64], form: str) -> NDArray[np.datetime64]:
    """Return the times of counts of an epoch's units; NaT outside of the years 1 to 9999."""
    counts = np.rint(values * date_format(form).unit)
    possible = (
        np.isfinite(counts)
        & (counts >= FIRST_TIME.astype(np.int64))
        & (counts <= LAST_TIME.astype(np.int64))
    )
    return np.where(
        possible, np.where(possible, counts, 0).astype(np.int64).astype("datetime64[us]"), NO_TIME
    )


def parse_truths(texts: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return True or False for the usual words, missing elsewhere, as pandas' `boolean`."""
    words = {word: parse_truth(word) for word in texts.dropna().unique()}
    return texts.map(words).astype("boolean")


def parse_truth(word: str) -> bool | None:
    """Return the truth value that the word means, or None."""
    lower = word.strip().lower()
    return True if lower in TRUE else False if lower in FALSE else None


def matches_format(texts: "pd.Series[Any]", pattern: str) -> NDArray[np.bool_]:
    """Return whether each text, without surrounding space, matches the whole pattern.

    A missing text does not.
    """
    trimmed = pc.utf8_trim_whitespace(_to_arrow(texts))
    return _to_numpy(
        pc.fill_null(pc.match_substring_regex(trimmed, f"^(?:{pattern})$"), False)
    ).astype(np.bool_)


def _extract_groups(texts: "pd.Series[Any]", pattern: str) -> tuple[Parts, NDArray[np.bool_]]:
    """Return the pattern's named groups in the texts that it fits, and which those are."""
    trimmed = pc.utf8_trim_whitespace(_to_arrow(texts))
    short = pc.if_else(
        pc.less_equal(pc.utf8_length(trimmed), LONGEST_FORMATTED),
        trimmed,
        pa.scalar(None, trimmed.type),
    )
    found = pc.extract_regex(short, f"(?i)^(?:{pattern})$")
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    fits = _to_numpy(found.is_valid()).astype(np.bool_)
    present = found.drop_null()
    return {field.name: pc.struct_field(present, field.name) for field in found.type}, fits


def _parse_formatted_numbers(texts: "pd.Series[Any]", form: str) -> NDArray[np.float64]:
    written = number_format(form)
    part, fits = _extract_groups(texts, written.pattern)
    table = pd.DataFrame({name: _to_numpy(texts) for name, texts in part.items()}, dtype="str")
    whole = (
        table["whole"].str.replace(f"[{written.thousands}]", "", regex=True)
        if written.thousands
        else table["whole"]
    )
    exponent = table["exponent"].where(table["exponent"] != "", "0")
    # A text without a digit gives NaN here.
    amounts = parse_numbers(whole + "." + table["fraction"] + "e" + exponent)
    one_parenthesis = (table["opening"] == "") != (table["closing"] == "")
    two_signs = (table["sign"] != "") & (table["inner"] != "")
    negative = (table["opening"] != "") | table["sign"].isin(MINUSES) | table["inner"].isin(MINUSES)
    numbers = np.where(negative, -amounts, amounts)
    found = np.full(len(texts), np.nan)
    found[fits] = np.where(one_parenthesis | two_signs, np.nan, numbers)
    return found


def _build_times(part: Parts) -> NDArray[np.datetime64]:
    """Return the times that the parts name; NaT for a day or an hour that does not exist."""
    year = (
        _to_integers(part["year"])
        if "year" in part
        else _to_whole_years(_to_integers(part["short"]))
    )
    month = _number_months(part["name"]) if "name" in part else _to_integers(part["month"])
    day = _to_integers(part["day"]) if "day" in part else np.ones(len(year), np.int64)
    none = np.zeros(len(year), np.int64)
    hour, minute, second = (
        _to_integers(part[name]) if name in part else none for name in ("hour", "minute", "second")
    )
    micro = (
        _to_integers(pc.utf8_slice_codeunits(pc.utf8_rpad(part["fraction"], 6, "0"), 0, 6))
        if "fraction" in part
        else none
    )
    whole_hour, no_hour = (
        _to_whole_day(hour, _to_numpy(part["half"]))
        if "half" in part
        else (hour, none.astype(np.bool_))
    )
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    found = days.astype("datetime64[us]") + (
        (whole_hour * 3600 + minute * 60 + second) * 1_000_000 + micro
    )
    possible = (
        (year >= 1)
        & (month >= 1)
        & (month <= 12)
        & (day >= 1)
        & (days.astype("datetime64[M]") == months)
    )
    return np.where(
        possible & (hour < 24) & ~no_hour & (minute < 60) & (second < 60), found, NO_TIME
    )


def _to_integers(texts: Any) -> NDArray[np.int64]:
    return _to_numpy(pc.cast(pc.if_else(pc.equal(texts, ""), "0", texts), pa.int64()))


def _to_whole_years(short: NDArray[np.int64]) -> NDArray[np.int64]:
    return short + np.where(short >= FIRST_TWO_DIGIT_YEAR, 1900, 2000)


def _number_months(names: Any) -> NDArray[np.int64]:
    months = pa.array(MONTHS, names.type)
    return (
        _to_numpy(pc.index_in(pc.utf8_slice_codeunits(pc.utf8_lower(names), 0, 3), months)).astype(
            np.int64
        )
        + 1
    )


def _to_whole_day(
    hours: NDArray[np.int64], half: NDArray[np.object_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the hours of the whole day, and which are wrong: not 1 to 12 beside an am or pm."""
    named, second_half = half != "", np.isin(half.astype("U1"), ("p", "P"))
    return np.where(named, hours % 12 + 12 * second_half, hours), named & (
        (hours < 1) | (hours > 12)
    )


def _to_arrow(texts: "pd.Series[Any]") -> Any:
    values = pa.array(texts, from_pandas=True)
    return values.cast(pa.large_string()) if values.type != pa.large_string() else values


def _to_numpy(values: Any) -> NDArray[Any]:
    return np.asarray(
        values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy()
    )
