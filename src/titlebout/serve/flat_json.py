"""Read JSON that is at most a table, and never build more than a table.

A large text is first cut into its rows or members, which builds none of their values. Then each is
read by itself. So a thread that reads it lets others run in between. A text that nests, repeats or
never ends costs no memory.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from titlebout.serve.refusals import Malformed, too_large
from titlebout.spec import SHOWN_CHARACTERS, InputError, shown_name

SMALL_BYTES = 16 << 10  # what is read at once: at most a few thousand values
MAX_COLUMNS = 10_000  # names of one object; the widest table that anybody serves has fewer
MAX_SEPARATORS = 1_000_000  # commas of one list: 20,000 rows of 50 columns
FEW_BRACKETS = 100  # inside a flat list, where all of them may be inside texts

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_items = msgspec.json.Decoder(list[msgspec.Raw])


class _Name:
    """Hold a member's name that is equal to no other.

    In a dict by text, the last of two members would hide the first.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_members = msgspec.json.Decoder(dict[_Name, msgspec.Raw], dec_hook=lambda _type, name: _Name(name))


def read_any(text: bytes) -> Any:
    """Read a small text.

    Raise Malformed if it is not JSON.
    """
    return _read(_decoder.decode, text)


def read_object(text: bytes, *, where: str = "") -> Any:
    """Read an object of plain values.

    Any other small value is returned as it is, for the caller to refuse. Containers among the
    values are returned empty where reading them would cost anything.

    Raise InputError for a name that occurs twice; `where` begins its subject.
    """
    if len(text) > SMALL_BYTES:
        return (
            _read_large_object(text, where=where) if first_byte(text) == b"{" else _read_cell(text)
        )
    content = _read(_decoder.decode, text)
    if type(content) is dict and _may_hide_a_name(text, content):
        read_members(text, where=where)
    return content


def read_members(text: bytes, *, where: str = "") -> dict[str, msgspec.Raw]:
    """Cut an object into its members.

    Raise InputError for too many names, or for one that occurs twice.
    """
    decoder = _members if len(text) <= SMALL_BYTES else _counting_decoder()
    members = dict[str, msgspec.Raw]()
    for name, value in _read(decoder.decode, text).items():
        if name.text in members:
            raise repeated_name_error(name.text, where=where)
        members[name.text] = value
    return members


def _counting_decoder() -> msgspec.json.Decoder[dict[_Name, msgspec.Raw]]:
    """Make a decoder that stops at one name too many, before the others cost memory."""
    count = 0

    def count_name(_type: type, name: Any) -> _Name:
        nonlocal count
        count += 1
        if count > MAX_COLUMNS:
            raise too_large(f"more than {MAX_COLUMNS:,} names in one object")
        return _Name(name)

    return msgspec.json.Decoder(dict[_Name, msgspec.Raw], dec_hook=count_name)


def read_items(text: bytes) -> list[msgspec.Raw]:
    """Cut a list into its items.

    Raise TooLarge if there are too many.
    """
    if len(text) > SMALL_BYTES and text.count(b",") > MAX_SEPARATORS:
        raise too_large(f"more than {MAX_SEPARATORS:,} values or commas")
    items: list[msgspec.Raw] = _read(_items.decode, text)
    return items


def read_values(text: bytes) -> list[Any]:
    """Read a list of plain values.

    Containers among them are returned empty where reading them would cost anything.
    """
    if len(text) <= SMALL_BYTES or (
        text.count(b"[") + text.count(b"{") <= FEW_BRACKETS and text.count(b",") <= MAX_SEPARATORS
    ):
        values: list[Any] = _read(_decoder.decode, text)
        return values
    return [_read_cell(bytes(item)) for item in read_items(text)]


def first_byte(text: bytes) -> bytes:
    """Return the first byte that is no blank: it tells an object from a list."""
    return text.lstrip(b" \t\r\n")[:1]


def repeated_name_error(name: str, *, where: str = "") -> InputError:
    """Return the error for a name that occurs twice."""
    return InputError(
        f"{where}column {shown_name(name)!r}",
        expected="each name once",
        found="the name twice",
        next_step="send it once",
    )


def _may_hide_a_name(text: bytes, content: dict[str, Any]) -> bool:
    """Tell whether there are more colons than the members explain.

    Then one member may have taken the place of another.
    """
    colons = text.count(b":")
    if colons == len(content):
        return False
    # An escape may stand for a colon that is not in the text.
    return b"\\" in text or colons != _encoder.encode(content).count(b":")


def _read_large_object(text: bytes, *, where: str) -> dict[str, Any]:
    return {
        name: _read_cell(bytes(value)) for name, value in read_members(text, where=where).items()
    }


def _read_cell(text: bytes) -> Any:
    match first_byte(text):
        case b"{":
            return {}
        case b"[":
            return []
        case _:
            return _read(_decoder.decode, text)


def _read(decode: Callable[[bytes], Any], text: bytes) -> Any:
    try:
        return decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = (
            "nothing"
            if not text
            else f"{text[:SHOWN_CHARACTERS]!r} ({str(error)[:SHOWN_CHARACTERS]})"
        )
        raise Malformed(
            "the body", expected="JSON", found=found, next_step="see /openapi.json for an example"
        ) from error
