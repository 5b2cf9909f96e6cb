"""Clean text that people wrote, so that it can be stored and shown on one line."""

import unicodedata

from titlebout.spec.errors import SpecError

MOST_CHARACTERS = 2000  # of a reason: it stands in annotations and chart values, which have limits
# Unicode's categories: control, format (which may turn the direction of writing), lone surrogates.
UNPRINTABLE = frozenset({"Cc", "Cf", "Cs"})
KEPT = frozenset("\n\t\u200c\u200d")  # the last two join or part letters in Persian and Hindi


def one_line(text: str) -> str:
    """Return the text on one line.

    White space becomes single spaces. Other characters that do not print become their escapes.
    """
    return "".join(one if one.isprintable() else _escape(one) for one in " ".join(text.split()))


def printable(text: str) -> str:
    r"""Return the text as a terminal may show it.

    Lines stay lines. A character that would control the terminal becomes its escape.
    For example, a column may be called "\x1b[2J", which clears the screen.
    It may also hide its end behind a character that turns the direction of writing.
    """
    return "".join(
        one if one in KEPT or unicodedata.category(one) not in UNPRINTABLE else _escape(one)
        for one in text
    )


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode()


def require_words(option: str, text: str) -> str:
    """Return the text of an option on one line.

    Raise SpecError if it is empty, or longer than MOST_CHARACTERS.
    """
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
