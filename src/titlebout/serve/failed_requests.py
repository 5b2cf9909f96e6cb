"""Keep a few of the requests that got no prediction, for the bake to send to the other slot.

A bake must tell a broken release from a client that sends what no release would answer. So it needs
the requests themselves. They never leave the server but to the platform, and the memory for them is
limited.
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
FULL = frozenset({429, 503})  # the server was overloaded: that says nothing about the request
MOST_CLIENTS = 64  # clients that come later are counted together
KEPT_PER_CLIENT = 8  # of errors and of refusals; with the bytes below, 16 MB at most
KEPT_BYTES = 16 << 10  # larger requests are neither kept nor counted as failed
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
    """Keep a uniform sample of a stream (Vitter 1985, algorithm R)."""

    seen: int = 0
    kept: list[Failure] = field(default_factory=list)

    def add(self, failure: Failure) -> None:
        self.seen += 1
        if len(self.kept) < KEPT_PER_CLIENT:
            self.kept.append(failure)
        elif (index := random.randrange(self.seen)) < KEPT_PER_CLIENT:
            self.kept[index] = failure

    def record(self) -> Failures:
        return Failures(seen=self.seen, kept=tuple(self.kept))


@dataclass
class _Client:
    asked: int = 0
    errors: _Sample = field(default_factory=_Sample)
    refusals: _Sample = field(default_factory=_Sample)


class FailedRequestRecorder:
    """Wrap an ASGI application; count and keep what it answers without a prediction.

    `is_platform` tells by a request's headers whether the platform itself sends it. Such requests
    are not counted, and only they may read the others. `salt` makes a client's name one that tells
    no address.
    """

    def __init__(
        self, app: App, *, is_platform: Callable[[Mapping[bytes, bytes]], bool], salt: str
    ) -> None:
        self._app, self._is_platform, self._salt = app, is_platform, salt
        self._clients: dict[str, _Client] = {}
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and record it if it got no prediction."""
        if scope["type"] != "http" or (scope["path"] not in PATHS and scope["path"] != FAILED_PATH):
            return await self._app(scope, receive, send)
        from_platform = self._is_platform(dict(scope["headers"]))
        if scope["path"] == FAILED_PATH and from_platform:
            return await send_reply(send, self._failures_reply(), [])
        if scope["path"] == FAILED_PATH or scope["method"] != "POST" or from_platform:
            return await self._app(scope, receive, send)
        return await self._record(scope, receive, send)

    def client(self, name: str) -> _Client:
        """Return the client's counts.

        A client that came too late to have its own shares those of all others that did.
        """
        if name not in self._clients and len(self._clients) >= MOST_CLIENTS:
            name = OTHERS
        return self._clients.setdefault(name, _Client())

    async def _record(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts, size = list[bytes](), 0

        async def receive_part() -> Mapping[str, Any]:
            nonlocal size
            message = await receive()
            part = message.get("body", b"")
            size += len(part)
            if part and size <= KEPT_BYTES:
                parts.append(part)
            return message

        async def send_noted(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self._note(
                    scope, b"".join(parts) if size <= KEPT_BYTES else None, status=message["status"]
                )
            await send(message)

        await self._app(scope, receive_part, send_noted)

    def _note(self, scope: Scope, body: bytes | None, *, status: int) -> None:
        if status in FULL:
            return
        client = self.client(self._client_name(scope))
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

    def _client_name(self, scope: Scope) -> str:
        """Return a name for the client's address.

        It is the address that the connection came from, or that a trusted proxy names.
        """
        address = (scope.get("client") or ("unknown",))[0]
        return hashlib.sha256(f"{self._salt}/{address}".encode()).hexdigest()[:16]

    def _failures_reply(self) -> Reply:
        clients = tuple(
            ClientFailures(
                client=name,
                asked=counts.asked,
                errors=counts.errors.record(),
                refusals=counts.refusals.record(),
            )
            for name, counts in self._clients.items()
        )
        return json_reply(ServerFailures(clients=clients).model_dump(mode="json"))
