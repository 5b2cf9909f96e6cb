"""Limit what one connection may cost.

The limits hold for its silence, its headers, the pieces of its body, and how slowly it reads the
answer. A proxy in front has such limits of its own. A slot must do without one, since a Kubernetes
Service is none.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from titlebout.serve.connection_age import ConnectionAgeProtocol
from titlebout.serve.refusals import MAX_BODY_BYTES

# From a request's first byte, or the connection's opening, to its last byte: 16 MiB at 7 Mbit/s.
REQUEST_SECONDS = 20.0
ANSWER_SECONDS = 20.0  # for the client to take an answer that is larger than the network's buffers
# Of the request line and all headers, beyond the first reading from the network.
HEAD_BYTES = 64 << 10
MESSAGE_BYTES = MAX_BODY_BYTES + (1 << 20)  # a body, its headers, and the marks of its chunks
MOST_HEADERS = 200
MOST_PIECES = 20_000  # of a chunked body: each costs as much as a reading from the network


class ConnectionLimitReached(Exception):
    """End the parsing; the caller of the parser answers 400."""


class LimitedProtocol(ConnectionAgeProtocol):
    """Answer what is too slow or too large with 408, 431 or 400, and close its connection."""

    def connection_made(self, transport: Any) -> None:
        """Start the timer of the first request."""
        super().connection_made(transport)
        self._incomplete, self._is_head, self._bytes, self._pieces = False, True, 0, 0
        self._reading: asyncio.TimerHandle | None = self.loop.call_later(
            REQUEST_SECONDS, self._end, HTTPStatus.REQUEST_TIMEOUT
        )
        self._writing: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._reading, self._writing = _stopped(self._reading), _stopped(self._writing)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes; end the connection if the request is too large, and set its timer."""
        goes_on = self._incomplete
        super().data_received(data)
        if self.transport.is_closing():
            return
        if goes_on and self._incomplete:
            self._bytes += len(data)
            if self._bytes > (HEAD_BYTES if self._is_head else MESSAGE_BYTES):
                self._end(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                    if self._is_head
                    else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                )
                return
        if self._waits_for_data():
            self._reading = self._reading or self.loop.call_later(
                REQUEST_SECONDS, self._end, HTTPStatus.REQUEST_TIMEOUT
            )
        else:
            self._reading = _stopped(self._reading)

    def on_message_begin(self) -> None:
        """Begin to count the bytes and pieces of a new request."""
        self._incomplete, self._is_head, self._bytes, self._pieces = True, True, 0, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse a request with too many headers."""
        if len(self.headers) >= MOST_HEADERS:
            raise ConnectionLimitReached
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Note that the body comes next."""
        self._is_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Refuse a body in too many pieces."""
        self._pieces += 1
        if self._pieces > MOST_PIECES:
            raise ConnectionLimitReached
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        self._incomplete = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Start the timer of an answer that the client does not take."""
        super().pause_writing()
        self._writing = self._writing or self.loop.call_later(ANSWER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the timer, unless there is more to send.

        A client that takes a little now and then is slow, too.
        """
        super().resume_writing()
        if self.cycle is None or self.cycle.response_complete:
            self._writing = _stopped(self._writing)

    def on_response_complete(self) -> None:
        """Stop the timer of the answer, unless bytes of it still wait."""
        super().on_response_complete()
        if not self.flow.write_paused:
            self._writing = _stopped(self._writing)

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing.

        A client that asks for a WebSocket is answered as for any other request, and could fill the
        log.
        """

    def _waits_for_data(self) -> bool:
        """Tell whether the client must send more.

        It must in the middle of a request, or after bytes that began none and ended the keep-alive
        timer.
        """
        if self._incomplete or self.cycle is None:
            return True
        return self.cycle.response_complete and self.timeout_keep_alive_task is None

    def _end(self, status: HTTPStatus) -> None:
        """Close the connection, with a status if no answer has begun."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            line = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            self.transport.write(line.encode() + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Stop the timer, and return None to store in its place."""
    if timer is not None:
        timer.cancel()
    return None
