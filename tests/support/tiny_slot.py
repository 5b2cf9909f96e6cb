"""Serve as a slot does in tests of the traffic: answer, count, and on request fail or be slow.

It runs in a pod.
"""

import json
import os
import random
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SLOT = os.environ["SLOT"]
ERRORS, REFUSALS, DELAY_SECONDS = (
    float(os.environ[name]) for name in ("ERRORS", "REFUSALS", "DELAY_SECONDS")
)
BOUND_SECONDS = 0.05
lock = threading.Lock()
counts = {200: 0, 422: 0, 500: 0}
in_time = [0]
seen: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answer predictions as the variables ERRORS, REFUSALS and DELAY_SECONDS say."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer the pages of metrics and of request ids; any other path with `ok`."""
        answers: dict[str, Callable[[], str]] = {
            "/metrics": metrics,
            "/seen": lambda: json.dumps(seen),
        }
        self.answer(200, answers.get(self.path, lambda: "ok")())

    def do_POST(self) -> None:
        """Answer a prediction, and count it by its status."""
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(DELAY_SECONDS)
        (status,) = random.choices((200, 422, 500), (1 - ERRORS - REFUSALS, REFUSALS, ERRORS))
        with lock:
            counts[status] += 1
            in_time[0] += DELAY_SECONDS <= BOUND_SECONDS
            seen.append(self.headers.get("X-Request-Id", ""))
        self.answer(status, json.dumps({"slot": SLOT}))

    def answer(self, status: int, text: str) -> None:
        """Send a status and a text."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""
        pass


def metrics() -> str:
    """Return the counts in Prometheus' text format."""
    lines = [
        f'titlebout_requests_total{{endpoint="/predict",status="{status}"}} {count}'
        for status, count in counts.items()
    ]
    buckets = {BOUND_SECONDS: in_time[0], "+Inf": sum(counts.values())}
    lines += [
        f'titlebout_request_seconds_bucket{{endpoint="/predict",le="{bound}"}} {count}'
        for bound, count in buckets.items()
    ]
    return "\n".join(lines) + "\n"


ThreadingHTTPServer(("", 8080), Handler).serve_forever()
