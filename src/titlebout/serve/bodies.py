"""Read the bodies of requests: whole, unpacked, and limited in bytes.

The limits hold for one request, and for all requests that are in work at once.
"""

import asyncio
import zlib
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType

from titlebout.serve.asgi import Receive
from titlebout.serve.refusals import (
    MAX_BODY_BYTES,
    RETRY_SECONDS,
    Malformed,
    Overloaded,
    Unsupported,
    too_large,
)
from titlebout.spec import shown_text

FREE_BYTES = 64 << 10  # of a body that takes nothing from the budget: HTTP servers buffer as much
BUDGET_BYTES = 3 * MAX_BODY_BYTES  # of all larger bodies together, until they are answered
MOST_WAITING = 32  # large requests that wait for bytes before any more of them is read
WAIT_SECONDS = 2.0
MOST_MEMBERS = 8  # of one gzip: nobody joins more, and each costs a copy of the rest
GZIP = zlib.MAX_WBITS | 16  # zlib's way to say that a gzip header is expected


class ClientLeft(Exception):
    """Say that the client closed the connection before the whole body had come.

    Nobody waits for an answer.
    """


class ByteBudget:
    """Limit how many bytes the large requests hold together. One event loop uses it."""

    def __init__(self) -> None:
        self._free, self._waiting, self._changed = BUDGET_BYTES, 0, asyncio.Event()

    async def take(self, size: int) -> None:
        """Wait until so many bytes are free.

        Raise Overloaded if that takes too long, or if too many requests wait already.
        """
        if self._free < size and self._waiting < MOST_WAITING:
            self._waiting += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wait_until_free(size), WAIT_SECONDS)
            self._waiting -= 1
        if self._free < size:
            raise Overloaded(
                "the server",
                expected=f"free memory for {size:,} bytes",
                found="as many large requests under way as it takes at once",
                next_step=f"send it again after {RETRY_SECONDS} s, or split it",
            )
        self._free -= size

    def give_back(self, size: int) -> None:
        """Free so many bytes."""
        self._free += size
        self._changed.set()

    async def _wait_until_free(self, size: int) -> None:
        while self._free < size:
            self._changed.clear()
            await self._changed.wait()


class Body:
    """Read one request's body, within a budget of bytes.

    `async with Body(budget, headers, receive) as body: await body.read()`. The bytes that it took
    from the budget are free again at the end.
    """

    __slots__ = ("_budget", "_headers", "_held", "_receive")

    def __init__(
        self, budget: ByteBudget, headers: Mapping[bytes, bytes], receive: Receive
    ) -> None:
        self._budget, self._headers, self._receive, self._held = budget, headers, receive, 0

    async def __aenter__(self) -> "Body":
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._held:
            self._budget.give_back(self._held)

    async def read(self) -> bytes:
        """Return the whole body, unpacked.

        Raise ClientLeft, and Unsupported, TooLarge, Overloaded or Malformed as soon as that is
        known.
        """
        encoding = self._headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding in (b"identity", b""):
            return await self._read_sent()
        if encoding in (b"gzip", b"x-gzip"):
            return await self._unpack(await self._read_sent())
        raise Unsupported(
            "the header Content-Encoding",
            expected="gzip, identity, or no such header",
            found=shown_text(encoding.decode("latin-1")),
            next_step="send the body plain or by gzip",
        )

    async def _read_sent(self) -> bytes:
        if (length := self._headers.get(b"content-length")) is not None:
            await self._hold(int(length))  # HTTP servers have refused what is no number
        parts, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            part = message.get("body", b"")
            size += len(part)
            if size > MAX_BODY_BYTES:
                raise too_large(f"more than {MAX_BODY_BYTES:,} bytes")
            if size > FREE_BYTES and size > self._held:
                await self._hold(MAX_BODY_BYTES)  # it did not say how long it is
            parts.append(part)
            more = message.get("more_body", False)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _unpack(self, body: bytes) -> bytes:
        """Unpack the body; a few bytes may become very many.

        The first bytes are unpacked here, the rest in a thread that has the memory for it.
        """
        beginning = _inflate(body, most=FREE_BYTES)
        if beginning is not None:
            return beginning
        packed, self._held = self._held, 0
        self._budget.give_back(packed)
        await self._hold(MAX_BODY_BYTES)
        whole = await asyncio.to_thread(_inflate, body, most=MAX_BODY_BYTES)
        if whole is None:
            raise too_large(f"more than {MAX_BODY_BYTES:,} bytes after unpacking")
        return whole

    async def _hold(self, size: int) -> None:
        """Take from the budget what a body of so many bytes needs in all."""
        if size > MAX_BODY_BYTES:
            raise too_large(f"{size:,} bytes")
        if size > FREE_BYTES and size > self._held:
            await self._budget.take(size - self._held)
            self._held = size


def _inflate(body: bytes, *, most: int) -> bytes | None:
    """Unpack gzip, of one member or several; None if it becomes more than `most` bytes.

    Raise Malformed if it is not gzip.
    """
    parts, left, rest = list[bytes](), most, body
    while rest:
        if len(parts) == MOST_MEMBERS:
            raise _gzip_error(f"more than {MOST_MEMBERS} members")
        member = zlib.decompressobj(GZIP)
        try:
            part = member.decompress(rest, left + 1)
        except zlib.error as error:
            raise _gzip_error(str(error)) from error
        parts.append(part)
        left -= len(part)
        if left < 0:
            return None
        if not member.eof:
            raise _gzip_error("its end is missing")
        rest = member.unused_data.lstrip(b"\0")  # padding is allowed between members
    return b"".join(parts)


def _gzip_error(found: str) -> Malformed:
    return Malformed(
        "the body",
        expected="gzip, as its header Content-Encoding says",
        found=found,
        next_step="compress it again, or send it plain",
    )
