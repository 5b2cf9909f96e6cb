"""Shorten values and names that a client sent, so that a message can show them."""

import itertools
import reprlib
from collections.abc import Collection
from typing import Any

SHOWN_CHARACTERS = 60
SHOWN_NAMES = 20
SHOWN_BITS = 10_000  # of an integer; Python refuses to print very long ones
KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    type(None): "null",
}

_containers = reprlib.Repr()
_containers.maxlevel = 2


def kind_of(value: Any) -> str:
    """Name the JSON kind of a value."""
    return KINDS.get(type(value), type(value).__name__)


def shown_text(text: str) -> str:
    """Return the text's beginning, quoted."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…")


def shown_value(value: Any) -> str:
    """Return the value's type and beginning.

    A container may be large, or nested too deep to print. So reprlib looks at a few items only.
    """
    if isinstance(value, dict | list | tuple):
        return f"{type(value).__name__} {shown_text(_containers.repr(value))}"
    if isinstance(value, int) and value.bit_length() > SHOWN_BITS:
        return f"{type(value).__name__} of {value.bit_length():,} bits"
    return f"{type(value).__name__} {shown_text(value if isinstance(value, str) else str(value))}"


def shown_names(names: Collection[object]) -> str:
    """List the first names, and say how many more there are."""
    first = ", ".join(shown_name(name) for name in itertools.islice(names, SHOWN_NAMES))
    more = len(names) - SHOWN_NAMES
    return f"{first} and {more:,} more" if more > 0 else first


def shown_name(name: object) -> str:
    """Return a name as it stands, or its beginning if it is long."""
    text = name if isinstance(name, str) else shown_value(name)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
