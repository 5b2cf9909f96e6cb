"""Define how text holds values: missing words, numbers, dates and codes.

Files, requests and guesses share this one grammar.
The patterns hold only what Python's `re` and Arrow's RE2 read alike.
`data` reads whole columns with Arrow, `scoring` reads single values with Python.
Both strip surrounding space first, ignore case, and match the whole text.
"""

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

ColumnType = Literal["number", "boolean", "category", "date"]
MISSING_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "null", "NULL")
CODE = "code"  # a category's format: 3.0 reads 3
TEXT = "text"  # a category's format: 3.0 stays 3.0
ISO = "iso"
PLAIN_NUMBER = "1234.5"
# Microseconds of one unit.
EPOCH_UNITS = {
    "epoch_s": 1_000_000,
    "epoch_ms": 1_000,
    "epoch_us": 1,
    "epoch_ns": 0.001,
}
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
ZEROS_OF_A_CODE = r"([+-]?[0-9]+)\.0+"
INFINITE = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FIRST_TWO_DIGIT_YEAR = 69  # as POSIX: 69 is 1969, 68 is 2068
LONGEST_FORMATTED = 64  # characters: no formatted date or number is longer; longer text is not read
SAME_SEPARATORS = ("'’", " \u00a0\u202f")  # apostrophes, and spaces, that separate thousands

_ZONE_NAMES = "utc|gmt|[ecmp][sd]t|cest|cet|eest|eet|west|wet|bst|ist|jst|msk"
_ZONE = rf"(?:z| ?(?:{_ZONE_NAMES})| ?[+-][0-9]{{2}}(?::?[0-9]{{2}})?)"
_SECOND = r"(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
_HOUR = rf"(?P<hour>[0-9]{{1,2}})(?::?(?P<minute>[0-9]{{2}}){_SECOND})?"
_TIME = rf"(?:(?:t|,? +){_HOUR}(?: ?(?P<half>[ap])\.?m\.?)?{_ZONE}?)"
_CLOCK = rf"(?:{_TIME}|z|[+-][0-9]{{2}}:?[0-9]{{2}})?"
_MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? +)?"
_DIRECTIVES = {
    "Y": r"(?P<year>[0-9]{4})",
    "y": r"(?P<short>[0-9]{2})",
    "m": r"(?P<month>[0-9]{1,2})",
    "d": r"(?P<day>[0-9]{1,2})",
    "b": _MONTH,
    "B": _MONTH,
    "H": r"(?P<hour>[0-9]{1,2})",
    "I": r"(?P<hour>[0-9]{1,2})",
    "M": r"(?P<minute>[0-9]{2})",
    "S": r"(?P<second>[0-9]{2})",
    "f": r"(?P<fraction>[0-9]{1,9})",
    "p": r"(?P<half>[ap])\.?m\.?",
    "z": _ZONE,
}


class Missing(NamedTuple):
    """Hold the texts that mean missing, without surrounding space, and the numbers among them."""

    words: frozenset[str]
    numbers: frozenset[float]

    @classmethod
    def of(cls, words: Iterable[str]) -> "Missing":
        """Return the words and their numbers. An empty text is always one of the words."""
        bare = frozenset(word.strip() for word in words) | {""}
        numbers = {
            INFINITE[word.lower()] if word.lower() in INFINITE else float(word)
            for word in bare
            if _is_number(word)
        }
        return cls(bare, frozenset(numbers))


def _is_number(word: str) -> bool:
    return word.lower() in INFINITE or re.fullmatch(NUMBER, word) is not None


class NumberFormat(NamedTuple):
    """Describe how a column writes numbers.

    `pattern` has the groups sign, inner, whole, fraction and exponent.
    Its groups opening and closing are the parentheses of an accountant's negative number.
    """

    pattern: str
    thousands: str


@lru_cache
def number_format(text: str) -> NumberFormat:
    """Read a number's format, which is 1234.5 as the column writes it.

    Raise ValueError for another text.
    """
    found = re.fullmatch(
        r"(?P<before>[^0-9]*)1(?P<thousands>[,.'’ \u00a0\u202f]?)234(?P<decimal>[.,])5"
        r"(?P<after>[^0-9]*)",
        text,
    )
    if (
        found is None
        or found["thousands"] == found["decimal"]
        or (found["before"].strip() and found["after"].strip())
    ):
        raise ValueError(
            f"{text!r} is not 1234.5 as the column writes it, such as 1234,5 or $1,234.5 or 1234.5%"
        )
    unit = re.escape((found["before"] + found["after"]).strip())
    thousands = _same_separators(found["thousands"])
    grouped = f"[0-9]{{1,3}}(?:[{thousands}][0-9]{{3}})+|" if thousands else ""
    amount = (
        rf"(?P<whole>{grouped}[0-9]+)?(?:\{found['decimal']}(?P<fraction>[0-9]*))?"
        r"(?:e(?P<exponent>[+-]?[0-9]+))?"
    )
    before, after = (f"(?:{unit} *)?", f"(?: *{unit})?") if unit else ("", "")
    if unit == "%":
        before, after = "", " *%"  # without its sign a share may be 0.12 or 12
    signed = (
        rf"(?P<opening>\()?(?P<sign>[+−-])? *{before}(?P<inner>[+−-])?{amount}{after}"
        r"(?P<closing>\))?"
    )
    return NumberFormat(signed, thousands)


def _same_separators(thousands: str) -> str:
    """Return all characters that separate thousands as this one does; "" for no separator."""
    if not thousands:
        return ""
    return next((same for same in SAME_SEPARATORS if thousands in same), thousands)


class DateFormat(NamedTuple):
    """Describe how a column writes dates.

    `pattern` is empty for epochs, whose `unit` is in microseconds.
    `iso_too` is true if ISO 8601 cannot be mistaken for this format.
    """

    pattern: str
    unit: float
    iso_too: bool


@lru_cache
def date_format(text: str) -> DateFormat:
    """Read a date's format: iso, epoch_s, epoch_ms, epoch_us, epoch_ns, or strftime's directives.

    Without a directive of the clock, any clock and zone may follow the date.
    Raise ValueError for another text.
    """
    if text in EPOCH_UNITS:
        return DateFormat("", EPOCH_UNITS[text], iso_too=True)
    if text == ISO:
        return DateFormat(
            rf"(?P<year>[0-9]{{4}})-?(?P<month>[0-9]{{2}})-?(?P<day>[0-9]{{2}}){_CLOCK}",
            0,
            iso_too=False,
        )
    tokens = re.findall(r"%(.)|([^%]+)", text)
    used = [directive for directive, _ in tokens if directive]
    if unknown := [f"%{directive}" for directive in used if directive not in _DIRECTIVES]:
        raise ValueError(
            f"{text!r} holds {', '.join(unknown)}; "
            f"known are {', '.join(f'%{one}' for one in _DIRECTIVES)}"
        )
    groups = [re.search(r"P<(\w+)>", _DIRECTIVES[one]) for one in used if one != "z"]
    names = [group[1] for group in groups if group]
    if (
        len(set(names)) < len(names)
        or not {"year", "short"} & set(names)
        or not {"month", "name"} & set(names)
    ):
        raise ValueError(
            f"{text!r} needs a year (%Y or %y) and a month (%m or %b), and nothing twice"
        )
    worded = "name" in names
    around = ["", *(directive for directive, _ in tokens), ""]
    body = "".join(
        _token(*token, before=around[i], after=around[i + 2], worded=worded)
        for i, token in enumerate(tokens)
    )
    clock = "" if "hour" in names or "day" not in names else _CLOCK
    return DateFormat(
        f"{_WEEKDAY if worded else ''}{body}{clock}",
        0,
        iso_too=not text.startswith(("%Y-%d", "%Y%d")),
    )


def _token(directive: str, signs: str, *, before: str, after: str, worded: bool) -> str:
    """Return the pattern of one directive, or of the signs between two.

    `before` and `after` are the directives beside it.
    Between a month's name and a number any sign or none may stand.
    """
    if not directive:
        if worded and not signs.strip(" ,./-"):
            return "[ ,./-]*" if {before, after} & {"b", "B"} else "[ ,./-]+"
        return re.escape(signs).replace(r"\ ", " +")
    digits = _DIRECTIVES[directive]
    if after and after not in "bBp":
        digits = digits.replace("{1,2}", "{2}")  # nothing else would tell where it ends
    return digits + "(?:st|nd|rd|th)?" if worded and directive == "d" else digits


def check_format(text: str, kind: ColumnType) -> None:
    """Raise ValueError unless the text is a format of that type."""
    if kind == "date":
        date_format(text)
    elif kind == "number":
        number_format(text)
    elif kind == "category" and text not in (CODE, TEXT):
        raise ValueError(
            f"{text!r} is no format of a category: "
            f"give {CODE} (3.0 reads 3) or {TEXT} (as it is written)"
        )
    elif kind == "boolean":
        raise ValueError("a boolean has no format: it reads true and false, yes and no, 1 and 0")
