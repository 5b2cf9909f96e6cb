"""Any answer is an answer; no answer is an OSError, and a late one a TimeoutError."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from titlebout.http_client import send_request

LATE_SECONDS = 2.0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/here")
            self.end_headers()
        elif self.path == "/late":
            time.sleep(LATE_SECONDS)
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
        elif self.path == "/late-body":
            self.send_response(500)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.flush()
            time.sleep(LATE_SECONDS)
        else:
            self.reply(404 if self.path == "/none" else 200, self.path.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(201, body + self.headers["X-Said"].encode())

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("X-Release", "r1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_answer_has_status_body_and_headers(url):
    """Headers are found whatever their case."""
    answer = send_request(f"{url}/here", seconds=10)
    assert (answer.status, answer.body, answer.headers.get("x-release")) == (200, b"/here", "r1")
    assert answer.is_success


def test_an_error_status_is_an_answer(url):
    """With its body, which says why."""
    answer = send_request(f"{url}/none", seconds=10)
    assert (answer.status, answer.body, answer.is_success) == (404, b"/none", False)


def test_a_body_and_headers_are_sent(url):
    """By the method that was asked for."""
    answer = send_request(
        url, seconds=10, method="POST", body=b"row ", headers={"X-Said": "by a test"}
    )
    assert (answer.status, answer.body) == (201, b"row by a test")


def test_a_redirect_is_followed(url):
    """A proxy may send to https or to another path."""
    assert send_request(f"{url}/moved", seconds=10).body == b"/here"


@pytest.mark.parametrize("path", ["/late", "/late-body"])
def test_a_late_answer_is_a_timeout(url, path):
    """The server may be at work on it, which a caller must be able to tell."""
    with pytest.raises(TimeoutError):
        send_request(f"{url}{path}", seconds=0.2)


def test_half_an_answer_is_none(url):
    """The server ended meanwhile."""
    with pytest.raises(ConnectionError, match="no whole HTTP answer"):
        send_request(f"{url}/cut", seconds=10)


def test_where_nobody_listens_there_is_no_answer():
    """Not a timeout."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    with pytest.raises(OSError, match="refused") as none:
        send_request(f"http://127.0.0.1:{closed}", seconds=10)
    assert not isinstance(none.value, TimeoutError)


def test_a_header_that_cannot_be_sent_is_a_value_error(url):
    """It would end the headers, and begin a body of the caller's choice."""
    with pytest.raises(ValueError, match="Invalid header"):
        send_request(url, seconds=10, headers={"X-Said": "a\r\nb"})
