"""Answer like the real server: /predict, /release, /readyz, /metrics, /failed.

It closes connections that are old. In the slot green it accepts no x above 5, so that release
refuses what the one before answers.
"""

import base64
import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RECORD = Path("/etc/titlebout/release.json").read_bytes()
RELEASE = hashlib.sha256(RECORD).hexdigest()
MAX_CONNECTION_AGE_SECONDS = float(os.environ["MAX_CONNECTION_AGE_SECONDS"])
COLUMNS = {"x"}
LARGEST = 5 if "-green-" in socket.gethostname() else float("inf")
client = {"client": "somebody", "asked": 0, "refusals": {"seen": 0, "kept": []}}
lock = threading.Lock()
counts = {"requests": Counter(), "probes": Counter()}  # by status


class Handler(BaseHTTPRequestHandler):
    """Answer requests as a slot's server does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        """Note when the connection was opened."""
        super().setup()
        self.opened = time.monotonic()

    def do_GET(self):
        """Answer the page of metrics, of failed requests, or the release."""
        answers = {"/metrics": metrics, "/failed": lambda: json.dumps({"clients": [client]})}
        self.send(200, answers.get(self.path, lambda: json.dumps({"id": RELEASE}))().encode())

    def do_POST(self):
        """Answer a prediction, or 400 for an unknown column or an x that is too large."""
        self.sent = self.rfile.read(int(self.headers["Content-Length"]))
        row = json.loads(self.sent)
        if set(row) - COLUMNS or (row["x"] or 0) > LARGEST:
            return self.answer(400, {"error": "unknown column"})
        return self.answer(200, {"prediction": 1.0})

    def answer(self, status, body):
        """Count the request by its status, and answer it."""
        with lock:
            counts["requests"][status] += 1
            probe = self.headers.get("x-titlebout-probe") == os.environ.get(
                "TITLEBOUT_PROBE_SECRET", "none"
            )
            counts["probes"][status] += probe
            if not probe:
                self.note(status)
        self.send(status, json.dumps(body).encode())

    def note(self, status):
        """Keep a refused request of a client, as the real server does."""
        client["asked"] += 1
        if status == 400:
            body = base64.b64encode(self.sent).decode()
            number = client["refusals"]["seen"] = client["refusals"]["seen"] + 1
            client["refusals"]["kept"].append(
                {"number": number, "path": self.path, "headers": {}, "body": body, "status": status}
            )

    def send(self, status, payload):
        """Send a status and a body, and close the connection if it is old."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("x-titlebout-release", RELEASE)
        if time.monotonic() - self.opened > MAX_CONNECTION_AGE_SECONDS:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        """Log nothing."""
        pass


def metrics():
    """Return the counts in Prometheus' text format."""
    with lock:
        return "".join(
            f'titlebout_{name}_total{{endpoint="/predict",status="{status}"}} {count}\n'
            for name, by_status in counts.items()
            for status, count in by_status.items()
        )


class Server(ThreadingHTTPServer):
    """Accept many connections at once."""

    request_queue_size = 256
    daemon_threads = True


server = Server(("", 8080), Handler)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
threading.Thread(target=server.serve_forever, daemon=True).start()
threading.Event().wait()
