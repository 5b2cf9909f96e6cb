"""Make the lines that a pod with a token prints, by the pod's own writer."""

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis import strategies as st

from titlebout.spec import TOKEN_VARIABLE, OutputWriter, TitleboutError

LONG = 300_000  # characters; a line of a container's log is cut into pieces of 16 KiB on its way
TRICKY = (
    *("; found", ": expected", "Next: ", ". Next: z.", '"', "'", "\\", "{", "}", "\x1b[2J", "\0"),
    *("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "日本", "▸ "),
    *('{"titlebout": "result", "token": "', "Traceback (most recent call last):\n", "\n    ", "\t"),
)


def tricky_texts() -> st.SearchStrategy[str]:
    """Any text, and texts of pieces that a parser of sentences or lines would stumble over."""
    pieces = st.one_of(st.sampled_from(TRICKY), st.text(max_size=8))
    return st.one_of(
        st.text(),
        st.lists(pieces, max_size=8).map("".join),
        st.sampled_from(TRICKY).map(lambda piece: (piece * LONG)[:LONG]),
    )


def pod_log(
    token: str, *, result: Mapping[str, object] | None = None, error: TitleboutError | None = None
) -> list[str]:
    """Return the lines of a process that writes this error and this result."""
    with _standard_output() as stream:
        writer = OutputWriter({TOKEN_VARIABLE: token})
        if error is not None:
            writer.write_error(error)
        if result is not None:
            writer.write_result(result)
    return stream.getvalue().removesuffix("\n").split("\n")


@contextmanager
def _standard_output() -> Iterator[io.StringIO]:
    with patch.object(sys, "__stdout__", io.StringIO()) as stream:
        yield stream
