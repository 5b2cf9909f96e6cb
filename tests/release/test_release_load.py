"""Count what clients see when load is sent."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from titlebout.loadgen import Load, TimedAnswer, run_load, seconds_to_last_answer, summary
from titlebout.spec import NotAllowed


@contextmanager
def server(status_of):
    """Answer the n-th request with `status_of(n)`; yield URL, request ids and connections."""
    seen, connections, lock = [], set(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                seen.append(self.headers["x-request-id"])
                connections.add(self.client_address)
                status = status_of(len(seen))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("x-titlebout-release", "r")
            self.end_headers()

        def log_message(self, *_):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}", seen, connections
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def test_every_request_is_sent_once_and_every_failure_counted(tmp_path):
    """Send forty requests, of which every tenth is refused: each once, four failures."""
    with server(lambda n: 503 if n % 10 == 0 else 200) as (url, seen, _):
        found = summary(
            run_load(Load(url, bodies=[{}], rate=200, request_id_prefix="t-"), seconds=0.2)
        )
    assert (found["sent"], found["failed"], found["statuses"]) == (40, 4, {"200": 36, "503": 4})
    assert sorted(seen) == sorted(f"t-{n}" for n in range(40))


def test_half_the_requests_share_kept_open_connections(tmp_path):
    """Open twenty connections for the one half of a hundred requests, fifty for the other."""
    with server(lambda n: 200) as (url, _, connections):
        run_load(Load(url, bodies=[{}], rate=200, request_id_prefix="t-"), seconds=0.5)
    assert len(connections) == 20 + 50


def test_no_answer_is_a_failure():
    """Count every request to a port where nobody listens as failed."""
    found = summary(
        run_load(
            Load("http://127.0.0.1:9", bodies=[{}], rate=100, request_id_prefix="t-"), seconds=0.1
        )
    )
    assert (found["sent"], found["failed"]) == (10, 10)


def test_other_machines_are_not_loaded():
    """Refuse an address of another machine."""
    with pytest.raises(NotAllowed):
        Load("http://192.0.2.1/predict", bodies=[{}], rate=1, request_id_prefix="t-")


def test_the_last_old_answer_counts_from_the_moment_given():
    """Count only answers after the moment, for each kind of client."""
    answers = [
        TimedAnswer(due=0, at=at, kind=kind, status=200, release=release)
        for at, kind, release in LATE
    ]
    assert seconds_to_last_answer(answers, since=10, release="old") == {
        "kept open": 1.5,
        "fresh": 0.0,
    }


LATE = [
    (9, "fresh", "old"),
    (10.5, "kept open", "old"),
    (11.5, "kept open", "old"),
    (12, "fresh", "new"),
]
