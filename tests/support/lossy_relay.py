"""A way to a server that loses what the test tells it to lose, as a network does."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast


class Relay(socketserver.ThreadingTCPServer):
    """Pass bytes on to `target`. `refused`: so many connections are closed at once. `lost`: paths whose next answer does not come back."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Pass)
        self.target, self.refused = target, 0
        self.lost: list[bytes] = []
        self.met: list[bytes] = []

    @property
    def names(self) -> tuple[bytes, bytes]:
        return b"Host: 127.0.0.1:%d" % self.server_address[1], b"Host: 127.0.0.1:%d" % self.target

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Pass(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        relay = cast("Relay", self.server)
        if relay.refused > 0:
            relay.refused -= 1
            return
        losing: list[bytes] = []
        with socket.create_connection(("127.0.0.1", relay.target)) as server:
            back = threading.Thread(target=self._answers, args=(server, losing), daemon=True)
            back.start()
            while request := self._received(self.request):
                losing += [path for path in relay.lost if path in request.split(b"\r\n", 1)[0]]
                server.sendall(request.replace(*relay.names))  # the server takes its own name only
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join()

    def _answers(self, server: socket.socket, losing: list[bytes]) -> None:
        relay = cast("Relay", self.server)
        while answer := self._received(server):
            if losing:
                relay.lost.remove(losing[0])
                relay.met.append(losing[0])
                break
            self.request.sendall(answer)
        with suppress(OSError):  # the client may have gone first
            self.request.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _received(side: socket.socket) -> bytes:
        try:
            return side.recv(1 << 20)
        except OSError:
            return b""


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    relay = Relay(port)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    try:
        yield relay
    finally:
        relay.shutdown()
        relay.server_close()
