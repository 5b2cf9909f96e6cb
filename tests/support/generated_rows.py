"""Rows of every column type with odd values, each written as CSV files, JSON lines, Parquet and HTTP clients write them.

One logical value has many spellings: 3 is `3.0` beside a missing value, a day is written by day first or as ISO 8601.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

MISSING = (
    "",
    "?",
    "null",
    "н/д",
    "無",
    "-999",
)  # of the model; NA, nan and None are words like others
WORDS = (
    *(
        "NA",
        "nan",
        "None",
        "NULL",
        "N/A",
        "yes",
        "no",
        "1",
        "1.0",
        "2.50",
        "4.0-rc1",
        "007",
        "7",
        "true",
        "-5",
        "1e5",
        "2024-05-01",
    ),
    *(
        "Zürich",
        "Αθήνα",
        "नमस्ते",
        "日本",
        "ليبيا",
        "🚀",
        "a,b",
        'say "x"',
        "two\nlines",
        "semi;colon",
        "0",
        "inf",
    ),
)
FIRST, DAYS = datetime(2001, 1, 1), 12_000


class Written(NamedTuple):
    """One cell as each client writes it; `typed` goes into a Parquet column of the type."""

    csv: str
    json: Any
    typed: Any
    http: Any


def _of(random: np.random.Generator, *choices: Any) -> Any:
    return choices[random.integers(len(choices))]


def _missing(random: np.random.Generator, *, name: str) -> Written:
    """A JSON lines file has numbers or texts in a column that has a number's format, and this one has numbers in `comma`."""
    return Written(
        _of(random, *MISSING, " ? "),
        None if name == "comma" else _of(random, None, *MISSING),
        None,
        _of(random, None, *MISSING, "? "),
    )


def _number(random: np.random.Generator) -> Written:
    value = _of(
        random,
        float(random.normal() * 10.0 ** random.integers(-30, 30)),
        float(random.integers(-99, 99)),
        -0.0,
        2.0**24 + 1,
    )
    text = repr(value)
    whole = int(value) if value.is_integer() and abs(value) < 2**53 else value
    return Written(
        _of(random, text, f" {text}", f"+{text}" if value > 0 else text),
        _of(random, value, whole, text),
        value,
        _of(random, value, whole),
    )


def _money(random: np.random.Generator) -> Written:
    cents = int(random.integers(-(10**8), 10**8))
    amount = f"{abs(cents) / 100:,.2f}"
    signs = (
        (f"-${amount}", f"$-{amount}", f"(${amount})", f"-$ {amount}")
        if cents < 0
        else (f"${amount}", amount, f"$ {amount} ")
    )
    text, value = _of(random, *signs), cents / 100
    return Written(text, text, value, _of(random, value, text))


def _comma(random: np.random.Generator) -> Written:
    value = round(float(random.normal() * 1000), 2)
    grouped = f"{abs(value):,.2f}".translate(str.maketrans(",.", ".,"))
    text = (
        f"{'-' if value < 0 else ''}{_of(random, grouped, f'{abs(value):.2f}'.replace('.', ','))}"
    )
    return Written(text, value, value, _of(random, value, text))


def _share(random: np.random.Generator) -> Written:
    value = int(random.integers(0, 100))
    text = _of(random, f"{value}%", f"{value} %", f"{value}.0%")
    return Written(text, text, float(value), _of(random, value, float(value), text))


def _flag(random: np.random.Generator) -> Written:
    value = bool(random.random() < 0.5)
    words = (
        ("true", "True", "1", "yes", "Y", "1.0", " t")
        if value
        else ("false", "FALSE", "0", "no", "n", "0.0", "f ")
    )
    return Written(
        _of(random, *words),
        _of(random, value, int(value), words[0]),
        value,
        _of(random, value, int(value), float(value)),
    )


def _code(random: np.random.Generator) -> Written:
    value = int(random.integers(-3, 40))
    texts = (str(value), f"{value}.0", f" {value} ", f"{value}.00")
    return Written(
        _of(random, *texts), _of(random, value, float(value), *texts), value, _of(random, *texts)
    )


def _word(random: np.random.Generator) -> Written:
    word = _of(random, *WORDS)
    texts = (word, word, f"{word} ", f" {word}", f"{word}\u00a0")
    return Written(
        _of(random, *texts), _of(random, *texts), _of(random, *texts), _of(random, *texts)
    )


def _moment(random: np.random.Generator) -> datetime:
    return FIRST + timedelta(
        days=int(random.integers(DAYS)),
        hours=int(random.integers(24)),
        minutes=int(random.integers(60)),
    )


def _iso(random: np.random.Generator) -> Written:
    moment = _moment(random)
    zones = ("", "Z", "+00", "-0330", "+05:45", " UTC", " +00")
    texts = [
        f"{moment:%Y-%m-%d}{_of(random, 'T', ' ')}{moment:%H:%M}{_of(random, '', ':00', ':00.000', ':00.123456789')}{zone}"
        for zone in zones
    ]
    half = f"{moment:%Y-%m-%d %I:%M} {_of(random, 'AM', 'am', 'a.m.') if moment.hour < 12 else _of(random, 'PM', 'pm', 'p.m.')}"
    return Written(
        _of(random, *texts, half), _of(random, *texts), moment, _of(random, *texts, half)
    )


def _day_first(random: np.random.Generator) -> Written:
    moment = _moment(random)
    own = (
        f"{moment:%d/%m/%Y %H:%M}",
        f"{moment.day}/{moment.month}/{moment.year} {moment:%H:%M:%S}",
        f"{moment:%d/%m/%Y, %I:%M %p}",
    )
    iso = f"{moment:%Y-%m-%dT%H:%M}"
    return Written(_of(random, *own, iso), _of(random, *own, iso), moment, _of(random, *own, iso))


def _named_month(random: np.random.Generator) -> Written:
    moment = _moment(random)
    own = (
        f"{moment:%d %b %Y %H:%M}",
        f"{moment:%a, %d %b %Y %H:%M:%S GMT}",
        f"{moment:%d-%B-%Y %H:%M}".upper(),
    )
    return Written(
        _of(random, *own),
        _of(random, *own),
        moment,
        _of(random, *own, f"{moment:%Y-%m-%dT%H:%M:%SZ}"),
    )


def _epoch(unit: int) -> Callable[[np.random.Generator], Written]:
    def write(random: np.random.Generator) -> Written:
        moment = _moment(random)
        count = int((moment - datetime(1970, 1, 1)).total_seconds()) * unit
        texts = (str(count), f"{count}.0")
        return Written(
            _of(random, *texts),
            _of(random, count, float(count), *texts),
            count,
            _of(random, count, float(count), *texts, f"{moment:%Y-%m-%d %H:%M}"),
        )

    return write


WRITERS: dict[str, tuple[str, Callable[[np.random.Generator], Written]]] = {
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


def generated_rows(count: int, *, seed: int) -> list[dict[str, Written]]:
    random = np.random.default_rng(seed)
    return [
        {
            name: _missing(random, name=name) if random.random() < MISSING_SHARE else write(random)
            for name, (_, write) in WRITERS.items()
        }
        for _ in range(count)
    ]
