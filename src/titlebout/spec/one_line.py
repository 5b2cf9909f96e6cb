"""What people write about what they do: kept and shown on one line, whatever characters it came with."""

import unicodedata

from titlebout.spec.errors import SpecError

MOST_CHARACTERS = 2000  # of a reason: it stands in annotations and chart values, which have limits
STEERING = frozenset(
    {"Cc", "Cf", "Cs"}
)  # Unicode's categories: control, format (which turns the direction of writing), lone surrogates
KEPT = frozenset("\n\t\u200c\u200d")  # the last two join or part letters in Persian and Hindi


def one_line(text: str) -> str:
    """Return the text on one line: white space as single spaces, other characters that do not print as their escapes."""
    return "".join(one if one.isprintable() else _escape(one) for one in " ".join(text.split()))


def printable(text: str) -> str:
    """Return the text as a terminal may have it: lines stay lines, and what would steer the terminal is shown as its escape.

    A column may be called "\\x1b[2J", or hide its end behind a sign that turns the direction of writing.
    """
    return "".join(
        one if one in KEPT or unicodedata.category(one) not in STEERING else _escape(one)
        for one in text
    )


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode()


def require_words(option: str, text: str) -> str:
    """Return what was said on one line; raises SpecError if it says nothing, or is too long to be kept beside the traffic."""
    line = one_line(text)
    if 0 < len(line) <= MOST_CHARACTERS:
        return line
    found = f"{len(line):,} characters" if line else "nothing"
    raise SpecError(
        option,
        expected=f"1 to {MOST_CHARACTERS:,} characters",
        found=found,
        next_step="say it in a sentence",
    )
