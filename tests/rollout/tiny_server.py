"""A server small enough to start in 0.1 s that answers like the real one: /predict, /release, /readyz. Run as a slot's command.

    tiny_server.py PACKAGE PORT

PACKAGE/behaviour.json may say how it misbehaves: {"slow_seconds": 0.2}, {"serves_one_at_a_time": true}, {"accepts_anything": true},
{"refuses_from": 5} (of x), {"dies_under": 50} (predictions), {"tells_of_slowness": true} (in its metrics), or
{"breaks_when_live": "<path of the proxy's dial file>"}, {"does_not_start": true}.
It refuses other columns than those of {"columns": ["x"]}.
It predicts 1 + {"factor": 0} * x.
"""

import contextlib
import hashlib
import json
import os
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

package, port = Path(sys.argv[1]), int(sys.argv[2])
behaviour = json.loads((package / "behaviour.json").read_text())
if behaviour.get("does_not_start"):
    sys.exit("told not to")
release = hashlib.sha256(Path(os.environ["TITLEBOUT_RELEASE_FILE"]).read_bytes()).hexdigest()
columns = set(behaviour.get("columns", ["x"]))
answered = 0
counts = {"requests": Counter(), "probes": Counter()}  # by status
METRICS = """titlebout_request_seconds_bucket{{endpoint="/predict",le="1.0"}} {in_time}
titlebout_request_seconds_bucket{{endpoint="/predict",le="+Inf"}} {all}
titlebout_undisturbed_seconds_bucket{{endpoint="/predict",le="1.0"}} {in_time}
titlebout_undisturbed_seconds_bucket{{endpoint="/predict",le="+Inf"}} {all}
"""
turn = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5  # seconds a kept-open connection may be idle, as with uvicorn

    def do_GET(self):
        if self.path == "/metrics":
            return self._send(200, metrics().encode())
        contract = {"inputs": [{"name": name, "example": 1.0} for name in sorted(columns)]}
        return self._answer(200, {"id": release, "contract": contract} if self.path == "/release" else {})

    def do_POST(self):
        global answered  # noqa: PLW0603
        answered += 1
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        rows = asked if isinstance(asked, list) else [asked]
        with turn if behaviour.get("serves_one_at_a_time") else contextlib.nullcontext():
            time.sleep(behaviour.get("slow_seconds", 0))
        if answered > behaviour.get("dies_under", float("inf")):
            os._exit(1)
        live = Path(behaviour.get("breaks_when_live", "/nowhere"))
        if live.is_file() and live.read_text().endswith(f":{port}"):
            return self._answer(500, {"error": "broken on purpose"})
        if (strangers := set().union(*rows) - columns) and not behaviour.get("accepts_anything"):
            return self._answer(400, {"error": f"unknown column {sorted(strangers)}"})
        if any((row.get("x") or 0) >= behaviour.get("refuses_from", float("inf")) for row in rows):
            return self._answer(400, {"error": "x is too large"})
        predicted = [1.0 + behaviour.get("factor", 0) * (row.get("x") or 0) for row in rows]
        answer = {"predictions": predicted} if rows is asked else {"prediction": predicted[0]}
        return self._answer(200, {**answer, "release": release, "request_id": self.headers.get("x-request-id")})

    def _answer(self, status, body):
        if self.command == "POST":
            counts["requests"][status] += 1
            counts["probes"][status] += self.headers.get("x-request-id", "").startswith("titlebout-probe-")
        self._send(status, json.dumps(body).encode())

    def _send(self, status, payload):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("x-titlebout-release", release)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


def metrics():
    lines = [
        f'titlebout_{name}_total{{endpoint="/predict",status="{status}"}} {count}'
        for name, by_status in counts.items()
        for status, count in by_status.items()
    ]
    in_time = 0 if behaviour.get("tells_of_slowness") else answered
    return "\n".join([*lines, METRICS.format(all=answered, in_time=in_time)])


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


Server(("127.0.0.1", port), Handler).serve_forever()
