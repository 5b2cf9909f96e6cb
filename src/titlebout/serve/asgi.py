"""The little of HTTP that the service needs, on bare ASGI: a router in front of it would cost more than a prediction does."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from titlebout.serve.requests import MAX_BODY_BYTES, too_large

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
JSON, HTML, TEXT = b"application/json", b"text/html; charset=utf-8", b"text/plain; version=0.0.4; charset=utf-8"

_encoder = msgspec.json.Encoder()


class Reply(NamedTuple):
    status: int
    body: bytes
    kind: bytes = JSON


class ClientLeft(Exception):
    """The connection was closed before the whole body had come; nobody waits for an answer."""


def json_reply(content: Any, status: int = 200) -> Reply:
    return Reply(status, _encoder.encode(content))


def header(scope: Scope, name: bytes) -> bytes | None:
    """ASGI gives names in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Raises ClientLeft, and TooLarge as soon as that is known."""
    length = header(scope, b"content-length")
    if length is not None and int(length) > MAX_BODY_BYTES:
        raise too_large(f"{int(length):,} bytes")
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise too_large(f"more than {MAX_BODY_BYTES:,} bytes")
        more = message.get("more_body", False)
    return b"".join(parts)


async def send_reply(send: Send, reply: Reply, headers: Headers) -> None:
    own = [(b"content-type", reply.kind), (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": own + headers})
    await send({"type": "http.response.body", "body": reply.body})
