"""Hold the small part of HTTP that the service needs, on bare ASGI.

A router in front of it would cost more than a prediction does.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
TEXT = b"text/plain; version=0.0.4; charset=utf-8"

PIECE_BYTES = 64 << 10  # what HTTP servers buffer
WEBSOCKET_REFUSED = 1008  # a policy is violated: there is nothing here to open a WebSocket for

_encoder = msgspec.json.Encoder()


class Reply(NamedTuple):
    """Hold the answer to one request; `kind` is its content type."""

    status: int
    body: bytes
    kind: bytes = JSON


def json_reply(content: Any, status: int = 200) -> Reply:
    """Return a reply whose body is the content as JSON."""
    return Reply(status, _encoder.encode(content))


async def send_reply(send: Send, reply: Reply, headers: Headers) -> None:
    """Send the reply in pieces.

    Each waits until the client has taken most of the piece before.
    """
    own = [(b"content-type", reply.kind), (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": own + headers})
    last = max(0, len(reply.body) - 1) // PIECE_BYTES * PIECE_BYTES
    for start in range(0, last, PIECE_BYTES):
        await send(
            {
                "type": "http.response.body",
                "body": reply.body[start : start + PIECE_BYTES],
                "more_body": True,
            }
        )
    await send({"type": "http.response.body", "body": reply.body[last:]})


async def refuse_websocket(receive: Receive, send: Send) -> None:
    """Close before accepting; the HTTP server then answers 403."""
    await receive()  # websocket.connect
    await send({"type": "websocket.close", "code": WEBSOCKET_REFUSED})
