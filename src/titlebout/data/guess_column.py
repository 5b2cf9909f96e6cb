"""What a column of a strange table is: its type, or why a model must not see it."""

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data.hashes import LARGEST_EXACT
from titlebout.data.texts import matches, numbers
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
COMPACT_DATE = r"^(19|20)\d{6}$"


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
    if reason := _identifier(name, present, distinct):
        return Guess(None, reason)
    kind, why = _kind(present, distinct)
    missing = 1 - len(present) / len(values)
    return Guess(Column(type=kind), f"{why}{f'; {missing:.2g} of the rows have none' if missing else ''}")


def is_number(present: "pd.Series[Any]") -> bool:
    if present.dtype.kind in "if":
        return True
    return present.dtype.kind not in "bM" and not np.isnan(numbers(present)).any() and not matches(present, CODE).any()


def is_date(present: "pd.Series[Any]") -> bool:
    if present.dtype.kind in "bfM" or is_number(present):
        compact = present.dtype.kind not in "bfM" and matches(present.astype("str"), COMPACT_DATE).all()
        return present.dtype.kind == "M" or (bool(compact) and not to_wire(present, "date").wrong.any())
    return not to_wire(present.head(200), "date").wrong.any() and not to_wire(present, "date").wrong.any()


def _kind(present: "pd.Series[Any]", distinct: int) -> tuple[ColumnType, str]:
    if present.dtype.kind == "b" or (present.dtype.kind not in "ifM" and present.str.lower().isin(("true", "false")).all()):
        return "boolean", "true and false only"
    if is_date(present):
        return "date", _date_words(present)
    if is_number(present):
        exact = to_wire(present, "number").values
        return "number", f"{_number(exact.min())} to {_number(exact.max())}, {distinct:,} different"
    return "category", _category_words(present, distinct)


def _date_words(present: "pd.Series[Any]") -> str:
    times = to_wire(present, "date").values
    odd = "" if present.dtype.kind == "M" or matches(present.astype("str"), r"^\d{4}-\d{2}-\d{2}").all() else "; clients send ISO dates"
    return f"{times.min().date()} to {times.max().date()}{odd}"


def _category_words(present: "pd.Series[Any]", distinct: int) -> str:
    texts = present.astype("str")
    words = f"{distinct:,} different"
    if matches(texts, CODE).any():
        return f"{words}; leading zeros: a code, not a quantity"
    unread = np.isnan(numbers(texts))
    if 1 - unread.mean() >= NEARLY_NUMBERS:
        return f"{words}; all but {int(unread.sum()):,} are numbers: empty values such as {_shown(texts[unread].iloc[0])} to make it one"
    return f"{words}: many; rare ones will be pooled or weigh little" if distinct > MANY_CATEGORIES else words


def _identifier(name: str, present: "pd.Series[Any]", distinct: int) -> str:
    """Why the column names the row instead of describing it; empty if it does not."""
    if present.dtype.kind in "bM" or is_date(present) or (is_number(present) and not _is_whole(present)):
        return ""
    unique = distinct / len(present) > UNIQUE_SHARE
    if ID_NAME.search(name) and not unique and distinct > MANY_CATEGORIES:
        return f"an identifier by its name, {distinct:,} different: if rows of one {name} belong together, name it as group_column"
    if is_number(present):
        return _number_identifier(name, present, distinct, unique=unique)
    if unique:
        return f"an identifier or free text: {distinct:,} different of {len(present):,}"
    long = present.str.len().mean() > FREE_TEXT_CHARACTERS and distinct / len(present) > FREE_TEXT_SHARE
    return "free text, which no candidate here can read" if long else ""


def _number_identifier(name: str, present: "pd.Series[Any]", distinct: int, *, unique: bool) -> str:
    exact = to_wire(present, "number").values
    if exact.abs().max() >= LARGEST_EXACT:
        return "an identifier: whole numbers too large to be told apart as amounts"
    if CALENDAR_NAME.search(name) or not unique:
        return ""
    if exact.max() - exact.min() == distinct - 1:
        return f"an identifier: counts the rows, {_number(exact.min())} to {_number(exact.max())}"
    return "an identifier by its name, different in every row" if ID_NAME.search(name) or COUNTER_NAME.search(name) else ""


def _is_whole(present: "pd.Series[Any]") -> bool:
    exact = to_wire(present, "number").values
    return bool((exact == np.floor(exact)).all())


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.4g}"


def _shown(value: object) -> str:
    return repr(str(value)[:40])
