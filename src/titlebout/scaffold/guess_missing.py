"""Guess which texts of an unknown table mean a missing value.

The guess says how often each stands in which columns, and asks about doubtful ones.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data import to_wire
from titlebout.scaffold.guess_column import MANY_CATEGORIES, NEARLY, QUESTION
from titlebout.scaffold.guess_kind import best_reading
from titlebout.spec import MISSING_WORDS

# Beside numbers or dates these mean nothing else. In other columns, words may be categories.
# Then they stay what they are.
SIGNS = ("?", "-", "--", ".", "*", "#", "/")
WORDS = (
    "none",
    "missing",
    "unknown",
    "nil",
    "n.a.",
    "#value!",
    "#div/0!",
    "#ref!",
    "inf",
    "-inf",
    "infinity",
    "-infinity",
)
TWO_CAPITALS = r"[A-Z]{2}"
SHOWN_COLUMNS = 3


class MissingGuess(NamedTuple):
    """Hold the words of model.yaml's `missing`, what was read as missing, and questions."""

    words: tuple[str, ...]
    reason: str
    questions: tuple[str, ...]


def guess_missing(table: pd.DataFrame, *, target: str) -> MissingGuess:
    """Return the guess for a table in which no word was read as missing yet."""
    found = {name: _count_words(table[name]) for name in table.columns}
    more = _find_more_words(table, found, target)
    words = (*MISSING_WORDS, *sorted(more))
    counts_by_word = {
        word: {name: counts[word] for name, counts in found.items() if counts.get(word)}
        for word in words
        if word
    }
    reason = "; ".join(
        _describe_word(word, columns) for word, columns in counts_by_word.items() if columns
    )
    questions = [
        question
        for name in table.columns
        if (question := _ask_about_country(table[name], found[name]))
    ]
    return MissingGuess(words, f"read as missing: {reason}" if reason else "", tuple(questions))


def _count_words(values: "pd.Series[Any]") -> dict[str, int]:
    """Return how often each text that might mean missing occurs; infinity counts as a text."""
    if values.dtype.kind == "f":
        counts = {"inf": int((values == np.inf).sum()), "-inf": int((values == -np.inf).sum())}
        return {word: count for word, count in counts.items() if count}
    if values.dtype.kind != "O":
        return {}
    counted = values.str.strip().value_counts()
    return {
        str(word): int(count)
        for word, count in counted.items()
        if word in MISSING_WORDS or str(word).lower() in (*SIGNS, *WORDS)
    }


def _find_more_words(
    table: pd.DataFrame, found: dict[str, dict[str, int]], target: str
) -> set[str]:
    """Return the words that mean missing beside numbers or dates.

    A word that may be a class of the target, or a category in another column, is not one of them.
    """
    beside = {
        name: {word for word in counts if word not in MISSING_WORDS}
        for name, counts in found.items()
    }
    measured = {
        name for name, words in beside.items() if words and _is_measured(table[name], words)
    }
    wanted = {word for name in measured for word in beside[name]}
    categories = {
        word
        for name, words in beside.items()
        if name not in measured
        for word in words
        if word not in SIGNS
    }
    return (
        wanted
        - categories
        - (beside[target] if not _is_amount(table[target], beside[target]) else set())
    )


def _is_measured(values: "pd.Series[Any]", words: set[str]) -> bool:
    """Return whether all values but the words are numbers or dates."""
    if values.dtype.kind == "f":
        return True
    trimmed = values.str.strip()
    rest = values[~trimmed.isin((*MISSING_WORDS, *words)) & values.notna()]
    if len(rest) < 2 or (
        trimmed.isin(words).sum() > (1 - NEARLY) * len(values) and rest.nunique() <= MANY_CATEGORIES
    ):
        return False
    return any(
        not to_wire(rest, kind, best_reading(rest, kind).format).wrong.any()
        for kind in ("number", "date")
    )


def _is_amount(values: "pd.Series[Any]", words: set[str]) -> bool:
    """Return whether all values but the words are numbers that are too different to be classes."""
    return values.nunique() > MANY_CATEGORIES and _is_measured(values, words)


def _describe_word(word: str, columns: dict[str, int]) -> str:
    names = ", ".join(map(repr, list(columns)[:SHOWN_COLUMNS])) + (
        ", …" if len(columns) > SHOWN_COLUMNS else ""
    )
    return f"{word!r} {sum(columns.values()):,} times in {names}"


def _ask_about_country(values: "pd.Series[Any]", counts: dict[str, int]) -> str:
    """Return a question if NA may be the code of Namibia; else ""."""
    if not counts.get("NA"):
        return ""
    others = values[values.notna() & ~values.str.strip().isin(MISSING_WORDS)]
    if others.empty or others.str.fullmatch(TWO_CAPITALS).mean() < NEARLY:
        return ""
    return (
        f"{QUESTION}: 'NA' stands {counts['NA']:,} times in {values.name!r} "
        "beside codes of two letters and was read as missing; "
        "if it is one of them (Namibia), take NA out of `missing`"
    )
