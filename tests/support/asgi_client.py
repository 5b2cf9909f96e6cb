"""Call an ASGI application without a network."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from titlebout.serve.app import Service


class Answer(NamedTuple):
    """Hold status, headers and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


def call(
    service: Service,
    method: str,
    path: str,
    body: Any = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request, and return the answer.

    `body` is sent as it is if bytes, else as JSON, in two chunks.
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent: list[dict[str, Any]] = []
    chunks = [content[:10], content[10:]]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [
        (name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()
    ]
    asyncio.run(
        service({"type": "http", "method": method, "path": path, "headers": raw}, receive, send)
    )
    start, *bodies = sent
    names = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], names, b"".join(part["body"] for part in bodies))
