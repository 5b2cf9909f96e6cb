"""Generate rows of every column type, as files of each format and HTTP clients write them.

One value has many spellings. For example, 3 is `3.0` beside a missing value.
A day is written with the day first, or as ISO 8601.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

# The model's missing words. NA, nan and None are categories like others.
MISSING = ("", "?", "null", "н/д", "無", "-999")
WORDS = (
    *("NA", "nan", "None", "NULL", "N/A", "yes", "no", "1", "1.0", "2.50", "4.0-rc1", "007", "7"),
    *("true", "-5", "1e5", "2024-05-01", "Zürich", "Αθήνα", "नमस्ते", "日本", "ليبيا", "🚀"),
    *("a,b", 'say "x"', "two\nlines", "semi;colon", "0", "inf"),
)
FIRST_DAY = datetime(2001, 1, 1)
DAYS = 12_000


class WrittenCell(NamedTuple):
    """Hold one cell as each client writes it; `typed` goes into a Parquet column of the type."""

    csv: str
    json: Any
    typed: Any
    http: Any


def _choose(random: np.random.Generator, *choices: Any) -> Any:
    return choices[random.integers(len(choices))]


def _missing(random: np.random.Generator, *, name: str) -> WrittenCell:
    """Return a missing cell. In JSON lines, `comma` has only numbers, so it has no missing word."""
    return WrittenCell(
        _choose(random, *MISSING, " ? "),
        None if name == "comma" else _choose(random, None, *MISSING),
        None,
        _choose(random, None, *MISSING, "? "),
    )


def _number(random: np.random.Generator) -> WrittenCell:
    value = _choose(
        random,
        float(random.normal() * 10.0 ** random.integers(-30, 30)),
        float(random.integers(-99, 99)),
        -0.0,
        2.0**24 + 1,
    )
    text = repr(value)
    whole = int(value) if value.is_integer() and abs(value) < 2**53 else value
    return WrittenCell(
        _choose(random, text, f" {text}", f"+{text}" if value > 0 else text),
        _choose(random, value, whole, text),
        value,
        _choose(random, value, whole),
    )


def _money(random: np.random.Generator) -> WrittenCell:
    cents = int(random.integers(-(10**8), 10**8))
    amount = f"{abs(cents) / 100:,.2f}"
    signs = (
        (f"-${amount}", f"$-{amount}", f"(${amount})", f"-$ {amount}")
        if cents < 0
        else (f"${amount}", amount, f"$ {amount} ")
    )
    text, value = _choose(random, *signs), cents / 100
    return WrittenCell(text, text, value, _choose(random, value, text))


def _comma(random: np.random.Generator) -> WrittenCell:
    value = round(float(random.normal() * 1000), 2)
    grouped = f"{abs(value):,.2f}".translate(str.maketrans(",.", ".,"))
    plain = f"{abs(value):.2f}".replace(".", ",")
    text = f"{'-' if value < 0 else ''}{_choose(random, grouped, plain)}"
    return WrittenCell(text, value, value, _choose(random, value, text))


def _share(random: np.random.Generator) -> WrittenCell:
    value = int(random.integers(0, 100))
    text = _choose(random, f"{value}%", f"{value} %", f"{value}.0%")
    return WrittenCell(text, text, float(value), _choose(random, value, float(value), text))


def _flag(random: np.random.Generator) -> WrittenCell:
    value = bool(random.random() < 0.5)
    words = (
        ("true", "True", "1", "yes", "Y", "1.0", " t")
        if value
        else ("false", "FALSE", "0", "no", "n", "0.0", "f ")
    )
    return WrittenCell(
        _choose(random, *words),
        _choose(random, value, int(value), words[0]),
        value,
        _choose(random, value, int(value), float(value)),
    )


def _code(random: np.random.Generator) -> WrittenCell:
    value = int(random.integers(-3, 40))
    texts = (str(value), f"{value}.0", f" {value} ", f"{value}.00")
    return WrittenCell(
        _choose(random, *texts),
        _choose(random, value, float(value), *texts),
        value,
        _choose(random, *texts),
    )


def _word(random: np.random.Generator) -> WrittenCell:
    word = _choose(random, *WORDS)
    texts = (word, word, f"{word} ", f" {word}", f"{word}\u00a0")
    return WrittenCell(
        _choose(random, *texts),
        _choose(random, *texts),
        _choose(random, *texts),
        _choose(random, *texts),
    )


def _moment(random: np.random.Generator) -> datetime:
    return FIRST_DAY + timedelta(
        days=int(random.integers(DAYS)),
        hours=int(random.integers(24)),
        minutes=int(random.integers(60)),
    )


def _iso(random: np.random.Generator) -> WrittenCell:
    moment = _moment(random)
    zones = ("", "Z", "+00", "-0330", "+05:45", " UTC", " +00")
    texts = [
        f"{moment:%Y-%m-%d}{_choose(random, 'T', ' ')}{moment:%H:%M}"
        f"{_choose(random, '', ':00', ':00.000', ':00.123456789')}{zone}"
        for zone in zones
    ]
    halves = ("AM", "am", "a.m.") if moment.hour < 12 else ("PM", "pm", "p.m.")
    half = f"{moment:%Y-%m-%d %I:%M} {_choose(random, *halves)}"
    return WrittenCell(
        _choose(random, *texts, half),
        _choose(random, *texts),
        moment,
        _choose(random, *texts, half),
    )


def _day_first(random: np.random.Generator) -> WrittenCell:
    moment = _moment(random)
    own = (
        f"{moment:%d/%m/%Y %H:%M}",
        f"{moment.day}/{moment.month}/{moment.year} {moment:%H:%M:%S}",
        f"{moment:%d/%m/%Y, %I:%M %p}",
    )
    iso = f"{moment:%Y-%m-%dT%H:%M}"
    return WrittenCell(
        _choose(random, *own, iso), _choose(random, *own, iso), moment, _choose(random, *own, iso)
    )


def _named_month(random: np.random.Generator) -> WrittenCell:
    moment = _moment(random)
    own = (
        f"{moment:%d %b %Y %H:%M}",
        f"{moment:%a, %d %b %Y %H:%M:%S GMT}",
        f"{moment:%d-%B-%Y %H:%M}".upper(),
    )
    return WrittenCell(
        _choose(random, *own),
        _choose(random, *own),
        moment,
        _choose(random, *own, f"{moment:%Y-%m-%dT%H:%M:%SZ}"),
    )


def _epoch(unit: int) -> Callable[[np.random.Generator], WrittenCell]:
    def write(random: np.random.Generator) -> WrittenCell:
        moment = _moment(random)
        count = int((moment - datetime(1970, 1, 1)).total_seconds()) * unit
        texts = (str(count), f"{count}.0")
        return WrittenCell(
            _choose(random, *texts),
            _choose(random, count, float(count), *texts),
            count,
            _choose(random, count, float(count), *texts, f"{moment:%Y-%m-%d %H:%M}"),
        )

    return write


WRITERS: dict[str, tuple[str, Callable[[np.random.Generator], WrittenCell]]] = {
    "number": ("number", _number),
    "money": ("number", _money),
    "comma": ("number", _comma),
    "share": ("number", _share),
    "flag": ("boolean", _flag),
    "code": ("category", _code),
    "word größe": ("category", _word),
    "iso": ("date", _iso),
    "day first": ("date", _day_first),
    "named.month": ("date", _named_month),
    "seconds": ("date", _epoch(1)),
    "milliseconds": ("date", _epoch(1000)),
}
MISSING_SHARE = 0.1


def generated_rows(count: int, *, seed: int) -> list[dict[str, WrittenCell]]:
    """Return rows by column name. The same seed gives the same rows."""
    random = np.random.default_rng(seed)
    return [
        {
            name: _missing(random, name=name) if random.random() < MISSING_SHARE else write(random)
            for name, (_, write) in WRITERS.items()
        }
        for _ in range(count)
    ]
