"""A way to a server that loses what the test tells it to lose, as a network does."""

import socket
import socketserver
import threading
from contextlib import contextmanager


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
        relay: Relay = self.server
        if relay.refused > 0:
            relay.refused -= 1
            return
        with socket.create_connection(("127.0.0.1", relay.target)) as server:
            while request := self.request.recv(1 << 20):
                server.sendall(request.replace(*relay.names))  # the server takes its own name only
                lost = next((path for path in relay.lost if path in request.split(b"\r\n", 1)[0]), None)
                answer = server.recv(1 << 20)
                if lost:
                    relay.lost.remove(lost)
                    relay.met.append(lost)
                    return
                while answer:
                    self.request.sendall(answer)
                    server.settimeout(0.05)
                    try:
                        answer = server.recv(1 << 20)
                    except TimeoutError:
                        break
                server.settimeout(None)


@contextmanager
def relay_to(port: int):
    relay = Relay(port)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    try:
        yield relay
    finally:
        relay.shutdown()
        relay.server_close()
