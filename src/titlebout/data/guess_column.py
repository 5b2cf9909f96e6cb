"""What a column of a strange table is: its type, or why a model must not see it."""

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data.hashes import LARGEST_EXACT
from titlebout.data.texts import iso_times, matches, numbers
from titlebout.data.wire import to_wire
from titlebout.spec import Column, ColumnType

# With more values, one-hot columns outgrow what a few thousand rows can teach, and an id that repeats is hardly a category.
MANY_CATEGORIES = 50
UNIQUE_SHARE = 0.9  # what nearly every row has for itself names the row; not all, as tables hold copies of rows
FREE_TEXT_CHARACTERS, FREE_TEXT_SHARE = 50, 0.5  # long texts of which half are different are sentences, not categories
NEARLY_NUMBERS = 0.9
ID_NAME = re.compile(r"(?i:(^|[_\s.\-])(id|uuid|guid|key)$)|[a-z](Id|ID)$")
COUNTER_NAME = re.compile(r"^$|^unnamed|(^|[_\s.\-])(index|row|rownum|no|nr|number)$", re.IGNORECASE)
CALENDAR_NAME = re.compile(r"year|month|week|day|date|time|hour", re.IGNORECASE)
CODE = r"^0\d+$"
TRUE_OR_FALSE = r"^(?i:true|false)$"
COMPACT_DATES = (19000101, 20991231)  # whole numbers in between that are all dates of the calendar are hardly amounts
ASKED_FIRST = 1_000


class Guess(NamedTuple):
    """Either a column and a word about it, or the reason why it is left out."""

    column: Column | None
    reason: str


def guess_column(name: str, values: "pd.Series[Any]") -> Guess:
    present = values.dropna()
    if present.empty:
        return Guess(None, "holds no value at all")
    distinct = int(present.nunique())
    if distinct == 1 and len(present) == len(values):
        return Guess(None, f"is always {_shown(present.iloc[0])}")
    kind = kind_of(present)
    said = to_wire(present, kind).values if kind in ("number", "date") else present
    if reason := _identifier(name, said, kind, distinct):
        return Guess(None, reason)
    missing = 1 - len(present) / len(values)
    return Guess(Column(type=kind), f"{_words(present, said, kind, distinct)}{f'; {missing:.2g} of the rows have none' if missing else ''}")


def kind_of(present: "pd.Series[Any]") -> ColumnType:
    """What all values are; the first ones are asked first, as most columns of a large table are told by them."""
    plain = present.dtype.kind
    if plain in "bfM":
        return "boolean" if plain == "b" else "number" if plain == "f" else "date"
    for some in (present.head(ASKED_FIRST), present):
        kind = _kind_of_whole_numbers(some) if plain == "i" else _kind_of_texts(some)
        if kind == "category":
            break
    return kind


def _kind_of_whole_numbers(values: "pd.Series[Any]") -> ColumnType:
    return "date" if values.between(*COMPACT_DATES).all() and not to_wire(values, "date").wrong.any() else "number"


def _kind_of_texts(texts: "pd.Series[Any]") -> ColumnType:
    if matches(texts, TRUE_OR_FALSE).all():
        return "boolean"
    exact = numbers(texts)
    if not np.isnan(exact).any():
        if matches(texts, CODE).any():
            return "category"
        return _kind_of_whole_numbers(pd.Series(exact)) if (exact == np.floor(exact)).all() else "number"
    return "category" if to_wire(texts, "date").wrong.any() else "date"


def _words(present: "pd.Series[Any]", said: "pd.Series[Any]", kind: ColumnType, distinct: int) -> str:
    if kind == "boolean":
        return "true and false only"
    if kind == "date":
        odd = present.dtype.kind != "M" and np.isnat(iso_times(present.astype("str"))).any()
        return f"{said.min().date()} to {said.max().date()}{'; clients send ISO dates' if odd else ''}"
    return (
        f"{_number(said.min())} to {_number(said.max())}, {distinct:,} different"
        if kind == "number"
        else _category_words(present, distinct)
    )


def _category_words(texts: "pd.Series[Any]", distinct: int) -> str:
    words = f"{distinct:,} different"
    if matches(texts, CODE).any():
        return f"{words}; leading zeros: a code, not a quantity"
    unread = np.isnan(numbers(texts))
    if 1 - unread.mean() >= NEARLY_NUMBERS:
        return f"{words}; all but {int(unread.sum()):,} are numbers: empty values such as {_shown(texts[unread].iloc[0])} to make it one"
    return f"{words}: many; rare ones will be pooled or weigh little" if distinct > MANY_CATEGORIES else words


def _identifier(name: str, said: "pd.Series[Any]", kind: ColumnType, distinct: int) -> str:
    """Why the column names the row instead of describing it; empty if it does not."""
    if kind in ("boolean", "date") or (kind == "number" and not _is_whole(said)):
        return ""
    unique = distinct / len(said) > UNIQUE_SHARE
    if ID_NAME.search(name) and not unique and distinct > MANY_CATEGORIES:
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
        return f"an identifier: counts the rows, {_number(said.min())} to {_number(said.max())}"
    return "an identifier by its name, different in every row" if ID_NAME.search(name) or COUNTER_NAME.search(name) else ""


def _is_whole(said: "pd.Series[Any]") -> bool:
    return bool((said == np.floor(said)).all())


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.4g}"


def _shown(value: object) -> str:
    return repr(str(value)[:40])
