"""Relay connections to a server, and lose what the test tells it to lose, as a network does."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast


class Relay(socketserver.ThreadingTCPServer):
    """Pass bytes on to `target`.

    - `refused`: how many connections are still closed at once.
    - `lost`: paths whose next answer does not come back.
    - `dropped`: paths whose answer was lost.
    """

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _RelayHandler)
        self.target, self.refused = target, 0
        self.lost: list[bytes] = []
        self.dropped: list[bytes] = []

    @property
    def host_headers(self) -> tuple[bytes, bytes]:
        """Return the Host header of this relay, and the one of the server."""
        return b"Host: 127.0.0.1:%d" % self.server_address[1], b"Host: 127.0.0.1:%d" % self.target

    @property
    def address(self) -> str:
        """Return the URL of this relay."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _RelayHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Pass on one connection, or refuse it."""
        relay = cast("Relay", self.server)
        if relay.refused > 0:
            relay.refused -= 1
            return
        lost_paths: list[bytes] = []
        with socket.create_connection(("127.0.0.1", relay.target)) as server:
            back = threading.Thread(
                target=self._pass_answers_back, args=(server, lost_paths), daemon=True
            )
            back.start()
            while request := self._receive(self.request):
                lost_paths += [path for path in relay.lost if path in request.split(b"\r\n", 1)[0]]
                # the server accepts its own name only
                server.sendall(request.replace(*relay.host_headers))
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join()

    def _pass_answers_back(self, server: socket.socket, lost_paths: list[bytes]) -> None:
        relay = cast("Relay", self.server)
        while answer := self._receive(server):
            if lost_paths:
                relay.lost.remove(lost_paths[0])
                relay.dropped.append(lost_paths[0])
                break
            self.request.sendall(answer)
        with suppress(OSError):  # the client may have gone first
            self.request.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _receive(side: socket.socket) -> bytes:
        try:
            return side.recv(1 << 20)
        except OSError:
            return b""


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """Run a relay to this port of this machine."""
    relay = Relay(port)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    try:
        yield relay
    finally:
        relay.shutdown()
        relay.server_close()
