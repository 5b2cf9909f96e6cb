"""Serve without a proxy in front: limit slow, endless and oversized clients.

The tests use real sockets on this machine.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import uvicorn
from support.fitted_models import EXAMPLE

from titlebout.serve import connection_limits
from titlebout.serve.app import Service
from titlebout.serve.connection_limits import HEAD_BYTES, MOST_HEADERS, MOST_PIECES, LimitedProtocol
from titlebout.serve.server_settings import ServerSettings
from titlebout.spec import Release

ROW = json.dumps(EXAMPLE).encode()
SECONDS = 0.3
PATIENCE_SECONDS = 30.0
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(ROW) + ROW


@pytest.fixture
def port(
    model: Path, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    """Run the service in uvicorn, with the protocol of bentos/tabular/serve.py and short times."""
    monkeypatch.setattr(connection_limits, "REQUEST_SECONDS", SECONDS)
    monkeypatch.setattr(connection_limits, "ANSWER_SECONDS", SECONDS)
    service = Service(model, ServerSettings(release, "blue", str(tmp_path / "inference")))
    server = uvicorn.Server(
        uvicorn.Config(
            service,
            port=0,
            http=LimitedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()
    service.close()


def ask(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Return what comes back until the server closes the connection.

    An error while sending does not matter: the server may have closed it already.
    """
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause)
        except OSError:
            pass
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    """Read until the connection is closed."""
    answer = b""
    try:
        while part := client.recv(1 << 16):
            answer += part
    except ConnectionResetError:
        pass
    return answer


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"POST /predict HT"],
        [HEAD, *[b"X: y\r\n"] * 20],
        [HEAD + b"Content-Length: 100\r\n\r\n", *[b" "] * 20],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 20],
    ],
    ids=["silent", "half a line", "headers", "a body", "chunks"],
)
def test_a_client_that_never_finishes_is_sent_away(port: int, pieces: list[bytes]) -> None:
    """Answer 408 to a request that never ends, however steadily it sends."""
    assert ask(port, *pieces, pause=SECONDS / 10).startswith(b"HTTP/1.1 408 ")


def test_bytes_that_begin_no_request_do_not_keep_a_connection(port: int) -> None:
    """Close a connection on which only line ends follow an answer.

    They end the keep-alive timer, and another one must replace it.
    """
    assert ask(port, WHOLE, b"\r\n", pause=0.1).count(b"HTTP/1.1 ") == 2


def test_a_kept_open_connection_is_answered_again_and_again(port: int) -> None:
    """Limit the time of a request, not that of the whole connection."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)) as client:
        for _ in range(4):
            time.sleep(SECONDS / 2)
            client.sendall(WHOLE)
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([HEAD + b"X: " + b"y" * 2 * HEAD_BYTES, *[b"y" * HEAD_BYTES] * 8], b"431"),
        ([b"GET /" + b"y" * 2 * HEAD_BYTES, *[b"y" * HEAD_BYTES] * 8], b"431"),
        ([HEAD + b"X: y\r\n" * (MOST_HEADERS + 1) + b"\r\n"], b"400"),
        (
            [HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * (MOST_PIECES + 1)],
            b"400",
        ),
        ([HEAD + b"Content-Length: 99999999999\r\n\r\n"], b"413"),
        ([HEAD + b"Content-Length: -1\r\n\r\n"], b"400"),
        ([b"GET /\xff HTTP/1.1\r\n\r\n"], b"4"),
        ([b"\x16\x03\x01\x02\x00\x01\x00"], b"400"),
    ],
    ids=[
        "a header",
        "an address",
        "headers",
        "pieces",
        "a length",
        "a negative length",
        "an address in no script",
        "TLS",
    ],
)
def test_what_is_too_large_is_refused(port: int, pieces: list[bytes], status: bytes) -> None:
    """Refuse what is too large before it is held in memory, and never by a server fault."""
    assert ask(port, *pieces).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("path", [b"/predict", b"/", b"/no/such/path", b"/readyz"])
def test_a_websocket_is_refused_and_not_logged(
    port: int, path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Answer a WebSocket request as any other, on any path, and log nothing."""
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    )
    with caplog.at_level(logging.INFO):
        for _ in range(10):
            with closing(
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
            ) as client:
                client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + upgrade)
                assert client.recv(1 << 16).split()[1] in (b"200", b"404", b"405")
    # which a slot switches off
    assert not [record for record in caplog.records if record.name != "uvicorn.access"]


def test_a_client_that_does_not_read_is_cut_off(port: int) -> None:
    """Close the connection of a client that takes no answer, and answer others meanwhile."""
    many = json.dumps([EXAMPLE] * 10_000).encode()
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(many) + many
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE_SECONDS)
        client.connect(("127.0.0.1", port))
        client.sendall(request)
        time.sleep(SECONDS * 2)
        assert b" 200 " in ask(port, WHOLE + b"GET / HTTP/1.0\r\n\r\n")
        assert is_cut_off(client)


def is_cut_off(client: socket.socket) -> bool:
    """Tell whether the server closes the connection in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while time.monotonic() < deadline:
            client.send(b"x")
            time.sleep(SECONDS)
    except OSError:
        return True
    return False
