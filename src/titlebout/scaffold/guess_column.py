"""Guess what a column of an unknown table is: its type, or why a model must not see it."""

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data import BESIDE_A_NUMBER, LARGEST_EXACT, matches_format, to_wire, units_of
from titlebout.scaffold.guess_kind import LEADING_ZERO, Look, best_reading, look_at
from titlebout.spec import CODE, EPOCH_UNITS, ISO, TEXT, Column, ColumnType, figure

# With more values, there are too many one-hot columns for a few thousand rows.
# An id that repeats is then hardly a category.
MANY_CATEGORIES = 50
# A value that nearly every row has alone identifies the row. Not all, as tables hold copied rows.
UNIQUE_SHARE = 0.9
# On average. An id with fewer rows for each value tells nothing about other rows.
ROWS_OF_A_CATEGORY = 5
# Long texts of which half are different are sentences, not categories.
FREE_TEXT_CHARACTERS = 50
FREE_TEXT_SHARE = 0.5
# If so many values are numbers or times, the column is one of those, with something else in it.
NEARLY = 0.9
# So few different texts among many different numbers or times mean missing, however often.
FEW_WORDS = 3
# From this share on, a note says that float32 makes different numbers equal.
MERGED_SHARE = 0.01
LARGEST_FLOAT32_WHOLE = 2**24
ID_NAME = re.compile(
    r"(?i:(^|[_\s.\-])(ids?|uuid|guid|key)$|^(id|uuid|guid)[_\s.\-])|[a-z](Id|ID)s?$"
)
CONTACT_NAME = re.compile(
    r"phone|mobile"
    r"|(^|[_\s.\-])(tel|fax|ssn|iban|isbn|ean|vin|imei|account|passport|licen[cs]e|serial)",
    re.IGNORECASE,
)
COUNTER_NAME = re.compile(
    r"^$|^unnamed|(^|[_\s.\-])(index|row|rownum|no|nr|number)$", re.IGNORECASE
)
CALENDAR_NAME = re.compile(r"year|month|week|day|date|time|hour", re.IGNORECASE)
# From ten digits on, a number of one length that differs in every row is a name, not an amount.
LONG_NUMBER = 10**9
MONTH_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
LIKE_A_TIME = (
    rf"(?i).*(\p{{Nd}}{{1,4}}[-/.]\p{{Nd}}{{1,2}}[-/.]\p{{Nd}}{{1,4}}|\p{{Nd}}:\p{{Nd}}{{2}}"
    rf"|[0-9] ?({MONTH_NAMES})|({MONTH_NAMES})[a-z]*[-. ]+[0-9]"
    r"|[0-9]{1,2}\.?( de)? \p{L}{3,}\.?,?( de)? (19|20)[0-9]{2}"
    r"|(19|20)[0-9]{2}[- ]?(Q[1-4]|W[0-9]{2})|Q[1-4][-/ ](19|20)[0-9]{2}).*"
)
# Digits with signs between them, and few characters around.
LIKE_AN_AMOUNT = r"[^0-9]{0,4}[0-9][0-9.,'’ \x{a0}\x{202f}]*[^0-9]{0,8}"
# At least one sign is a decimal one. Numbers that name things seldom have one.
WITH_DECIMALS = r".*[0-9][.,][0-9]+[^0-9]*"
DOTTED = r"[^0-9]*[0-9]+(\.[0-9]+){2,3}"  # versions, addresses
OFFSET = r":[0-9]{2}(?:\.[0-9]+)? ?(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?|Z|[A-Z]{3,4})$"
QUESTION = "QUESTION"  # marks what a person must decide, in model.yaml and on the terminal


class Guess(NamedTuple):
    """Hold a column and a note about it, or None and the reason why it is left out.

    `question` says what a person must decide; it may be empty.
    """

    column: Column | None
    reason: str
    question: str = ""


def guess_column(name: str, values: "pd.Series[Any]") -> Guess:
    """Return the guess for one column."""
    present = values.dropna()
    if present.empty:
        return Guess(None, "holds no value at all")
    look = look_at(present)
    read = present if look.kind == "boolean" else to_wire(present, look.kind, look.format).values
    distinct = int(read.nunique())
    if distinct == 1 and len(present) == len(values):
        return Guess(None, f"is always {_shown(present.iloc[0])}")
    if look.kind == "category" and (hindered := find_hindrance(present)):
        question = f"{QUESTION}: {hindered.found}; {hindered.step}"
        column = _declare_column(look) if distinct <= MANY_CATEGORIES else None
        return Guess(column, question, question)
    if reason := _why_identifier(name, read, look.kind, distinct):
        return Guess(None, reason)
    missing = 1 - len(present) / len(values)
    note = _describe_values(present, read, look, distinct)
    if missing:
        note = f"{note}; {missing:.2g} of the rows have none"
    question = _ask(name, present, look, distinct)
    return Guess(_declare_column(look), f"{question}; {note}" if question else note, question)


def _declare_column(look: Look) -> Column:
    """Return the column, with its format if a reader would not expect it."""
    usual = look.format in (None, TEXT, CODE) if look.kind != "date" else look.format == ISO
    return Column(
        type=look.kind, format=None if usual and look.kind in ("number", "boolean") else look.format
    )


class Hindrance(NamedTuple):
    """Say why texts are not the numbers or times that they look like, and what a person can do."""

    found: str
    step: str


def find_hindrance(texts: "pd.Series[Any]") -> Hindrance | None:
    """Return why texts can be read neither as numbers nor as times.

    Return None if they do not look like those.
    """
    if matches_format(texts, LEADING_ZERO).any():
        return None  # codes
    if other := _find_wrong_values(texts):
        return other
    if (
        len(units := units_of(texts)) > 1
        and best_reading(_remove_units(texts, units), "number").read >= NEARLY
    ):
        return Hindrance(
            f"amounts in {len(units)} units ({', '.join(units)})",
            "bring them to one, and declare it as type: number",
        )
    if (
        matches_format(texts, LIKE_A_TIME).mean() >= NEARLY
        and not matches_format(texts, DOTTED).all()
    ):
        found = f"what looks like times such as {_shown(texts.iloc[0])}, which no format reads"
        return Hindrance(found, "write them as ISO 8601, or declare type: date with the format")
    return _find_unread_amounts(texts)


def _find_wrong_values(texts: "pd.Series[Any]") -> Hindrance | None:
    """Look for numbers or dates among which a few values are something else."""
    measured: tuple[tuple[ColumnType, str], ...] = (("number", "numbers"), ("date", "dates"))
    for kind, plural in measured:
        decision = best_reading(texts, kind)
        wrong = to_wire(texts, kind, decision.format).wrong
        if (
            decision.read
            and wrong.any()
            and (wrong.mean() <= 1 - NEARLY or _are_few_words(texts, wrong))
        ):
            example = _shown(texts[wrong].iloc[0])
            return Hindrance(
                f"all but {int(wrong.sum()):,} values are {plural}; {example} is none",
                "correct such values, or name them under `missing`, "
                f"and declare it as type: {kind}",
            )
    return None


def _are_few_words(texts: "pd.Series[Any]", wrong: NDArray[np.bool_]) -> bool:
    return texts[wrong].nunique() <= FEW_WORDS and texts[~wrong].nunique() > MANY_CATEGORIES


def _find_unread_amounts(texts: "pd.Series[Any]") -> Hindrance | None:
    """Look for numbers in an unknown format that are too different for categories."""
    if texts.nunique() <= MANY_CATEGORIES or matches_format(texts, DOTTED).all():
        return None
    if (
        matches_format(texts, LIKE_AN_AMOUNT).mean() < NEARLY
        or matches_format(texts, WITH_DECIMALS).mean() < 1 / 2
    ):
        return None
    beside = texts.str.replace(BESIDE_A_NUMBER, "", regex=True).unique()
    step = (
        f"with the format, such as 1234.5 {beside[0]}"
        if len(beside) == 1 and beside[0]
        else "once they are plain numbers"
    )
    example = _shown(texts[to_wire(texts, "number", None).wrong].iloc[0])
    return Hindrance(
        f"what looks like amounts such as {example}, which are not read",
        f"declare type: number {step}",
    )


def _remove_units(texts: "pd.Series[Any]", units: list[str]) -> "pd.Series[Any]":
    for unit in units:
        texts = texts.str.replace(unit, "", regex=False)
    return texts


def _ask(name: str, present: "pd.Series[Any]", look: Look, distinct: int) -> str:
    """Return a question if values can be read in two ways, or in a way that surprises; else ""."""
    if (
        look.kind in ("number", "category")
        and ID_NAME.search(name)
        and (look.kind == "category" or distinct <= MANY_CATEGORIES)
    ):
        rows = len(present) / distinct
        return (
            f"{QUESTION}: an id by its name, of {rows:.0f} rows each: "
            f"if those belong together, name {name!r} as group_column"
        )
    if look.rivals:
        other = " or ".join(look.rivals)
        example = _shown(present.iloc[0])
        return (
            f"{QUESTION}: {example} was read as {look.format}; if it is {other}, write that: "
            "values that fit only the other are refused"
        )
    if look.kind == "date" and look.format != ISO and look.format in EPOCH_UNITS:
        return (
            f"{QUESTION}: read as a time, {look.format} since 1970; "
            "if it is an amount, declare type: number"
        )
    offsets = (
        present.str.extract(OFFSET)["offset"].dropna().unique()
        if look.kind == "date" and present.dtype.kind == "O"
        else ()
    )
    if len(offsets) > 1:
        return (
            f"{QUESTION}: times of {len(offsets)} zones ({', '.join(offsets[:3])}); "
            "each counts as its own clock shows it"
        )
    return ""


def _describe_values(
    present: "pd.Series[Any]", read: "pd.Series[Any]", look: Look, distinct: int
) -> str:
    if look.kind == "boolean":
        return (
            "true and false only"
            if present.dtype.kind in "bO"
            and not matches_format(present.astype("str"), "[01](.0)?").all()
            else "1 and 0 only"
        )
    if look.kind == "date":
        note = f"{read.min().date()} to {read.max().date()}"
        return note if look.format == ISO else f"{note}; clients may send ISO dates, too"
    if look.kind == "number":
        note = f"{figure(read.min())} to {figure(read.max())}, {distinct:,} different"
        return f"{note}{_describe_format(look)}{_warn_of_float32(read)}"
    return _describe_categories(present, distinct)


def _describe_format(look: Look) -> str:
    return f"; written as {look.format}, read as 1234.5" if look.format else ""


def _warn_of_float32(read: "pd.Series[Any]") -> str:
    """Return a note if different numbers are equal in float32, in which models compute."""
    distinct = read.nunique()
    lost = distinct - read.astype(np.float32).nunique()
    if lost <= distinct * MERGED_SHARE:
        return ""
    above = (
        ", so that whole numbers stay below 16,777,216"
        if read.abs().max() > LARGEST_FLOAT32_WHOLE
        else ""
    )
    return (
        f"; {lost:,} of {distinct:,} become equal in the model's float32: "
        f"subtract a constant in features.py{above}"
    )


def _describe_categories(texts: "pd.Series[Any]", distinct: int) -> str:
    note = f"{distinct:,} different"
    if texts.dtype.kind == "O" and matches_format(texts, r"0[0-9]+").any():
        return f"{note}; leading zeros: a code, not a quantity"
    return (
        f"{note}: many; rare ones will be pooled or weigh little"
        if distinct > MANY_CATEGORIES
        else note
    )


def _why_identifier(name: str, read: "pd.Series[Any]", kind: ColumnType, distinct: int) -> str:
    """Return why the column identifies the row instead of describing it, or ""."""
    if kind in ("boolean", "date") or (kind == "number" and not _is_whole(read)):
        return ""
    unique = distinct / len(read) > UNIQUE_SHARE
    few_rows = len(read) < ROWS_OF_A_CATEGORY * distinct
    if ID_NAME.search(name) and not unique and (distinct > MANY_CATEGORIES or few_rows):
        return (
            f"an identifier by its name, {distinct:,} different: "
            f"if rows of one {name} belong together, name it as group_column"
        )
    if kind == "number":
        return _why_number_identifies(name, read, distinct, unique=unique)
    if unique:
        return f"an identifier or free text: {distinct:,} different of {len(read):,}"
    long = read.str.len().mean() > FREE_TEXT_CHARACTERS and distinct / len(read) > FREE_TEXT_SHARE
    return "free text, which no candidate here can read" if long else ""


def _why_number_identifies(
    name: str, read: "pd.Series[Any]", distinct: int, *, unique: bool
) -> str:
    if read.abs().max() >= LARGEST_EXACT:
        return "an identifier: whole numbers too large to be told apart as amounts"
    if CALENDAR_NAME.search(name) or not unique:
        return ""
    if read.max() - read.min() == distinct - 1:
        return f"an identifier: counts the rows, {figure(read.min())} to {figure(read.max())}"
    if any(named.search(name) for named in (ID_NAME, COUNTER_NAME, CONTACT_NAME)):
        return "an identifier by its name, different in every row"
    digits = len(str(int(read.max())))
    if read.min() >= LONG_NUMBER and len(str(int(read.min()))) == digits:
        return f"an identifier: {digits} digits in every row, and different in each"
    return ""


def _is_whole(read: "pd.Series[Any]") -> bool:
    return bool((read == np.floor(read)).all())


def _shown(value: object) -> str:
    return repr(str(value)[:40])
