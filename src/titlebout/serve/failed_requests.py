"""What clients asked in vain: a few of the requests that got no prediction are kept in memory, for the bake to ask the other slot.

A bake must tell a broken release from a client that sends what no release would answer. So it needs the requests themselves. They never
leave the server but to the platform, and the memory for them is bounded.
"""

import base64
import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from titlebout.serve.asgi import Receive, Reply, Scope, Send, json_reply, send_reply
from titlebout.spec import FAILED_PATH, ClientFailures, Failure, Failures, ServerFailures

PATHS = frozenset({"/predict", "/invocations"})
FULL = frozenset({429, 503})  # the server had no room: that says nothing about the request
MOST_CLIENTS = 64  # who comes later counts together with all others that do
KEPT_PER_CLIENT = 8  # of errors and of refusals; with the bytes below, 16 MB at most
KEPT_BYTES = 16 << 10  # larger requests are not kept, and count neither as failed
HEADERS_BYTES = 2 << 10
OTHERS = "others"
NOT_KEPT = frozenset(
    {
        b"host",
        b"content-length",
        b"connection",
        b"transfer-encoding",
        b"expect",
        b"authorization",
        b"cookie",
    }
)

App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass
class _Sample:
    """A uniform sample of a stream (Vitter 1985, algorithm R)."""

    seen: int = 0
    kept: list[Failure] = field(default_factory=list)

    def add(self, failure: Failure) -> None:
        self.seen += 1
        if len(self.kept) < KEPT_PER_CLIENT:
            self.kept.append(failure)
        elif (place := random.randrange(self.seen)) < KEPT_PER_CLIENT:
            self.kept[place] = failure

    def record(self) -> Failures:
        return Failures(seen=self.seen, kept=tuple(self.kept))


@dataclass
class _Client:
    asked: int = 0
    errors: _Sample = field(default_factory=_Sample)
    refusals: _Sample = field(default_factory=_Sample)


class Witness:
    """An ASGI application around another, that counts and keeps what it answers without a prediction.

    `is_platform` tells by a request's headers whether the platform itself sends it: such requests are not counted, and only they are
    told of the others. `salt` makes a client's name one that tells no address.
    """

    def __init__(
        self, app: App, *, is_platform: Callable[[Mapping[bytes, bytes]], bool], salt: str
    ) -> None:
        self._app, self._is_platform, self._salt = app, is_platform, salt
        self._clients: dict[str, _Client] = {}
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["path"] not in PATHS and scope["path"] != FAILED_PATH):
            return await self._app(scope, receive, send)
        platform = self._is_platform(dict(scope["headers"]))
        if scope["path"] == FAILED_PATH and platform:
            return await send_reply(send, self._told(), [])
        if scope["path"] == FAILED_PATH or scope["method"] != "POST" or platform:
            return await self._app(scope, receive, send)
        return await self._watched(scope, receive, send)

    def client(self, name: str) -> _Client:
        """The client's counts, or those of all who came too late to have their own."""
        if name not in self._clients and len(self._clients) >= MOST_CLIENTS:
            name = OTHERS
        return self._clients.setdefault(name, _Client())

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts, size = list[bytes](), 0

        async def hear() -> Mapping[str, Any]:
            nonlocal size
            message = await receive()
            part = message.get("body", b"")
            size += len(part)
            if part and size <= KEPT_BYTES:
                parts.append(part)
            return message

        async def say(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._note(
                    scope, b"".join(parts) if size <= KEPT_BYTES else None, status=message["status"]
                )
            await send(message)

        await self._app(scope, hear, say)

    def _note(self, scope: Scope, body: bytes | None, *, status: int) -> None:
        if status in FULL:
            return
        client = self.client(self._name(scope))
        client.asked += 1
        headers = {name: value for name, value in scope["headers"] if name not in NOT_KEPT}
        if (
            status < 400
            or body is None
            or sum(map(len, (*headers, *headers.values()))) > HEADERS_BYTES
        ):
            return
        failure = Failure(
            number=next(self._numbers),
            path=scope["path"],
            headers={
                name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()
            },
            body=base64.b64encode(body).decode(),
            status=status,
        )
        (client.errors if status >= 500 else client.refusals).add(failure)

    def _name(self, scope: Scope) -> str:
        """Of the address that the connection came from, or that a trusted proxy names."""
        address = (scope.get("client") or ("unknown",))[0]
        return hashlib.sha256(f"{self._salt}/{address}".encode()).hexdigest()[:16]

    def _told(self) -> Reply:
        clients = tuple(
            ClientFailures(
                client=name,
                asked=one.asked,
                errors=one.errors.record(),
                refusals=one.refusals.record(),
            )
            for name, one in self._clients.items()
        )
        return json_reply(ServerFailures(clients=clients).model_dump(mode="json"))
