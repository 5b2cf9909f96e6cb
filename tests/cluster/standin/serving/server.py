"""A server that answers like the real one: /predict, /release, /readyz, /metrics; it closes connections that are old."""

import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RECORD = Path("/etc/titlebout/release.json").read_bytes()
RELEASE = hashlib.sha256(RECORD).hexdigest()
OLDEST_CONNECTION_SECONDS = float(os.environ["OLDEST_CONNECTION_SECONDS"])
COLUMNS = {"x"}
lock = threading.Lock()
counts = {"requests": Counter(), "probes": Counter()}  # by status


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.opened = time.monotonic()

    def do_GET(self):
        self.send(200, metrics().encode() if self.path == "/metrics" else json.dumps({"id": RELEASE}).encode())

    def do_POST(self):
        row = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if set(row) - COLUMNS:
            return self.answer(400, {"error": "unknown column"})
        return self.answer(200, {"prediction": 1.0})

    def answer(self, status, body):
        with lock:
            counts["requests"][status] += 1
            counts["probes"][status] += self.headers.get("x-titlebout-probe") == os.environ.get("TITLEBOUT_PROBE_SECRET", "none")
        self.send(status, json.dumps(body).encode())

    def send(self, status, payload):
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("x-titlebout-release", RELEASE)
        if time.monotonic() - self.opened > OLDEST_CONNECTION_SECONDS:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


def metrics():
    with lock:
        return "".join(
            f'titlebout_{name}_total{{endpoint="/predict",status="{status}"}} {count}\n'
            for name, by_status in counts.items()
            for status, count in by_status.items()
        )


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


server = Server(("", 8080), Handler)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
threading.Thread(target=server.serve_forever, daemon=True).start()
threading.Event().wait()
