"""What a column of a strange table is: its type, or why a model must not see it."""

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data import BESIDE_A_NUMBER, LARGEST_EXACT, matches_format, to_wire, units_of
from titlebout.scaffold.guess_kind import LEADING_ZERO, Look, best_reading, look_at
from titlebout.spec import CODE, EPOCH_UNITS, ISO, TEXT, Column, ColumnType, figure

# With more values, one-hot columns outgrow what a few thousand rows can teach, and an id that repeats is hardly a category.
MANY_CATEGORIES = 50
UNIQUE_SHARE = 0.9  # what nearly every row has for itself names the row; not all, as tables hold copies of rows
ROWS_OF_A_CATEGORY = 5  # on average; what is called an id and has fewer names few rows each, and tells nothing about others
FREE_TEXT_CHARACTERS, FREE_TEXT_SHARE = (
    50,
    0.5,
)  # long texts of which half are different are sentences, not categories
NEARLY = (
    0.9  # of the values are numbers or times: the column is one of those, with something else in it
)
FEW_WORDS = 3  # different texts among many different numbers or times stand for missing ones, however often they do
MERGED_SHARE = (
    0.01  # of different numbers that float32 makes equal: from here on it is worth a word
)
LARGEST_FLOAT32_WHOLE = 2**24
ID_NAME = re.compile(
    r"(?i:(^|[_\s.\-])(ids?|uuid|guid|key)$|^(id|uuid|guid)[_\s.\-])|[a-z](Id|ID)s?$"
)
CONTACT_NAME = re.compile(
    r"phone|mobile|(^|[_\s.\-])(tel|fax|ssn|iban|isbn|ean|vin|imei|account|passport|licen[cs]e|serial)",
    re.IGNORECASE,
)
COUNTER_NAME = re.compile(
    r"^$|^unnamed|(^|[_\s.\-])(index|row|rownum|no|nr|number)$", re.IGNORECASE
)
CALENDAR_NAME = re.compile(r"year|month|week|day|date|time|hour", re.IGNORECASE)
LONG_NUMBER = (
    10**9
)  # ten digits: what is or longer, as long in every row and different in each, is a name and no amount
MONTH_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
LIKE_A_TIME = (
    rf"(?i).*(\p{{Nd}}{{1,4}}[-/.]\p{{Nd}}{{1,2}}[-/.]\p{{Nd}}{{1,4}}|\p{{Nd}}:\p{{Nd}}{{2}}"
    rf"|[0-9] ?({MONTH_NAMES})|({MONTH_NAMES})[a-z]*[-. ]+[0-9]|[0-9]{{1,2}}\.?( de)? \p{{L}}{{3,}}\.?,?( de)? (19|20)[0-9]{{2}}"
    r"|(19|20)[0-9]{2}[- ]?(Q[1-4]|W[0-9]{2})|Q[1-4][-/ ](19|20)[0-9]{2}).*"
)
# Digits with signs between them, and little around; at least one sign is a decimal one, which numbers that name things seldom have.
LIKE_AN_AMOUNT, WITH_DECIMALS = (
    r"[^0-9]{0,4}[0-9][0-9.,'’ \x{a0}\x{202f}]*[^0-9]{0,8}",
    r".*[0-9][.,][0-9]+[^0-9]*",
)
DOTTED = r"[^0-9]*[0-9]+(\.[0-9]+){2,3}"  # versions, addresses
OFFSET = r":[0-9]{2}(?:\.[0-9]+)? ?(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?|Z|[A-Z]{3,4})$"
QUESTION = "QUESTION"  # marks what a person must decide, in model.yaml and on the terminal


class Guess(NamedTuple):
    """Either a column and a word about it, or the reason why it is left out; `question`: what a person must decide."""

    column: Column | None
    reason: str
    question: str = ""


def guess_column(name: str, values: "pd.Series[Any]") -> Guess:
    present = values.dropna()
    if present.empty:
        return Guess(None, "holds no value at all")
    look = look_at(present)
    said = present if look.kind == "boolean" else to_wire(present, look.kind, look.format).values
    distinct = int(said.nunique())
    if distinct == 1 and len(present) == len(values):
        return Guess(None, f"is always {_shown(present.iloc[0])}")
    if look.kind == "category" and (hindered := hindrance(present)):
        question = f"{QUESTION}: {hindered.found}; {hindered.step}"
        return Guess(_column(look) if distinct <= MANY_CATEGORIES else None, question, question)
    if reason := _identifier(name, said, look.kind, distinct):
        return Guess(None, reason)
    missing = 1 - len(present) / len(values)
    words = f"{_words(present, said, look, distinct)}{f'; {missing:.2g} of the rows have none' if missing else ''}"
    question = _question(name, present, look, distinct)
    return Guess(_column(look), f"{question}; {words}" if question else words, question)


def _column(look: Look) -> Column:
    """The format where it is none that a reader would expect."""
    usual = look.format in (None, TEXT, CODE) if look.kind != "date" else look.format == ISO
    return Column(
        type=look.kind, format=None if usual and look.kind in ("number", "boolean") else look.format
    )


class Hindrance(NamedTuple):
    """What keeps texts from being the numbers or times that they look like, and what a person can do."""

    found: str
    step: str


def hindrance(texts: "pd.Series[Any]") -> Hindrance | None:
    """Look at texts that can be read neither as numbers nor as times; None if they do not look like those."""
    if matches_format(texts, LEADING_ZERO).any():
        return None  # codes
    measured: tuple[tuple[ColumnType, str], ...] = (("number", "numbers"), ("date", "dates"))
    for kind, what in measured:
        decision = best_reading(texts, kind)
        wrong = to_wire(texts, kind, decision.format).wrong
        if (
            decision.read
            and wrong.any()
            and (wrong.mean() <= 1 - NEARLY or _few_words(texts, wrong))
        ):
            found = f"all but {int(wrong.sum()):,} values are {what}; {_shown(texts[wrong].iloc[0])} is none"
            return Hindrance(
                found,
                f"correct such values, or name them under `missing`, and declare it as type: {kind}",
            )
    if (
        len(units := units_of(texts)) > 1
        and best_reading(_without(texts, units), "number").read >= NEARLY
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
    return _like_amounts(texts)


def _few_words(texts: "pd.Series[Any]", wrong: NDArray[np.bool_]) -> bool:
    return texts[wrong].nunique() <= FEW_WORDS and texts[~wrong].nunique() > MANY_CATEGORIES


def _like_amounts(texts: "pd.Series[Any]") -> Hindrance | None:
    """Look for numbers as no format that is known here writes them, too different for categories."""
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


def _without(texts: "pd.Series[Any]", units: list[str]) -> "pd.Series[Any]":
    for unit in units:
        texts = texts.str.replace(unit, "", regex=False)
    return texts


def _question(name: str, present: "pd.Series[Any]", look: Look, distinct: int) -> str:
    """What can be read in two ways, or is read in a way that a person may not expect."""
    if (
        look.kind in ("number", "category")
        and ID_NAME.search(name)
        and (look.kind == "category" or distinct <= MANY_CATEGORIES)
    ):
        rows = len(present) / distinct
        return f"{QUESTION}: an id by its name, of {rows:.0f} rows each: if those belong together, name {name!r} as group_column"
    if look.rivals:
        other = " or ".join(look.rivals)
        example = _shown(present.iloc[0])
        return f"{QUESTION}: {example} was read as {look.format}; if it is {other}, write that: values that fit only the other are refused"
    if look.kind == "date" and look.format != ISO and look.format in EPOCH_UNITS:
        return f"{QUESTION}: read as a time, {look.format} since 1970; if it is an amount, declare type: number"
    offsets = (
        present.str.extract(OFFSET)["offset"].dropna().unique()
        if look.kind == "date" and present.dtype.kind == "O"
        else ()
    )
    if len(offsets) > 1:
        return f"{QUESTION}: times of {len(offsets)} zones ({', '.join(offsets[:3])}); each counts as its own clock shows it"
    return ""


def _words(present: "pd.Series[Any]", said: "pd.Series[Any]", look: Look, distinct: int) -> str:
    if look.kind == "boolean":
        return (
            "true and false only"
            if present.dtype.kind in "bO"
            and not matches_format(present.astype("str"), "[01](.0)?").all()
            else "1 and 0 only"
        )
    if look.kind == "date":
        return f"{said.min().date()} to {said.max().date()}{'' if look.format == ISO else '; clients may send ISO dates, too'}"
    if look.kind == "number":
        return f"{figure(said.min())} to {figure(said.max())}, {distinct:,} different{_units(look)}{_merged(said)}"
    return _category_words(present, distinct)


def _units(look: Look) -> str:
    return f"; written as {look.format}, read as 1234.5" if look.format else ""


def _merged(said: "pd.Series[Any]") -> str:
    """What float32, in which models compute, makes equal."""
    distinct = said.nunique()
    lost = distinct - said.astype(np.float32).nunique()
    if lost <= distinct * MERGED_SHARE:
        return ""
    above = (
        ", so that whole numbers stay below 16,777,216"
        if said.abs().max() > LARGEST_FLOAT32_WHOLE
        else ""
    )
    return f"; {lost:,} of {distinct:,} become equal in the model's float32: subtract a constant in features.py{above}"


def _category_words(texts: "pd.Series[Any]", distinct: int) -> str:
    words = f"{distinct:,} different"
    if texts.dtype.kind == "O" and matches_format(texts, r"0[0-9]+").any():
        return f"{words}; leading zeros: a code, not a quantity"
    return (
        f"{words}: many; rare ones will be pooled or weigh little"
        if distinct > MANY_CATEGORIES
        else words
    )


def _identifier(name: str, said: "pd.Series[Any]", kind: ColumnType, distinct: int) -> str:
    """Why the column names the row instead of describing it; empty if it does not."""
    if kind in ("boolean", "date") or (kind == "number" and not _is_whole(said)):
        return ""
    unique = distinct / len(said) > UNIQUE_SHARE
    few_rows = len(said) < ROWS_OF_A_CATEGORY * distinct
    if ID_NAME.search(name) and not unique and (distinct > MANY_CATEGORIES or few_rows):
        return f"an identifier by its name, {distinct:,} different: if rows of one {name} belong together, name it as group_column"
    if kind == "number":
        return _number_identifier(name, said, distinct, unique=unique)
    if unique:
        return f"an identifier or free text: {distinct:,} different of {len(said):,}"
    long = said.str.len().mean() > FREE_TEXT_CHARACTERS and distinct / len(said) > FREE_TEXT_SHARE
    return "free text, which no candidate here can read" if long else ""


def _number_identifier(name: str, said: "pd.Series[Any]", distinct: int, *, unique: bool) -> str:
    if said.abs().max() >= LARGEST_EXACT:
        return "an identifier: whole numbers too large to be told apart as amounts"
    if CALENDAR_NAME.search(name) or not unique:
        return ""
    if said.max() - said.min() == distinct - 1:
        return f"an identifier: counts the rows, {figure(said.min())} to {figure(said.max())}"
    if any(named.search(name) for named in (ID_NAME, COUNTER_NAME, CONTACT_NAME)):
        return "an identifier by its name, different in every row"
    digits = len(str(int(said.max())))
    if said.min() >= LONG_NUMBER and len(str(int(said.min()))) == digits:
        return f"an identifier: {digits} digits in every row, and different in each"
    return ""


def _is_whole(said: "pd.Series[Any]") -> bool:
    return bool((said == np.floor(said)).all())


def _shown(value: object) -> str:
    return repr(str(value)[:40])
