"""What people write about what they do: kept and shown on one line, whatever characters it came with."""

from titlebout.spec.errors import SpecError

MOST_CHARACTERS = 2000  # of a reason: it stands in annotations and chart values, which have limits


def one_line(text: str) -> str:
    """Return the text on one line: white space as single spaces, other characters that do not print as their escapes."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in " ".join(text.split()))


def require_words(option: str, text: str) -> str:
    """Return what was said on one line; raises SpecError if it says nothing, or is too long to be kept beside the traffic."""
    line = one_line(text)
    if 0 < len(line) <= MOST_CHARACTERS:
        return line
    found = f"{len(line):,} characters" if line else "nothing"
    raise SpecError(option, expected=f"1 to {MOST_CHARACTERS:,} characters", found=found, next_step="say it in a sentence")
