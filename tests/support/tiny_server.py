"""Answer like a slot's server: /predict, /release, /readyz, and start in 0.1 s.

It runs as a slot's command:

    tiny_server.py PACKAGE PORT

It predicts 1 + {"factor": 0} * x, and refuses other columns than those of {"columns": ["x"]}.
At /failed it gives what it did not answer, as the real one does. A client names itself in the
header x-client. PACKAGE/behaviour.json may say how it misbehaves:

- {"slow_seconds": 0.2}, {"serves_one_at_a_time": true}, {"accepts_anything": true}
- {"refuses_from": 5}: of x; {"fails_from": 5}: of x, with a server error
- {"dies_under": 50}: after so many predictions
- {"tells_of_slowness": true}: in its metrics
- {"breaks_when_live": "<path of the proxy's dial file>"}
- {"fails_every_when_live": 3, "live": "<the same path>"}: a server error now and then
- {"does_not_start": true}
"""

import base64
import contextlib
import hashlib
import json
import os
import sys
import threading
import time
from collections import Counter
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

package, port = Path(sys.argv[1]), int(sys.argv[2])
behaviour = json.loads((package / "behaviour.json").read_text())
if behaviour.get("does_not_start"):
    sys.exit("told not to")
release = hashlib.sha256(Path(os.environ["TITLEBOUT_RELEASE_FILE"]).read_bytes()).hexdigest()
columns = set(behaviour.get("columns", ["x"]))
answered = 0
counts: dict[str, Counter[int]] = {"requests": Counter(), "probes": Counter()}  # by status
METRICS = """titlebout_request_seconds_bucket{{endpoint="/predict",le="1.0"}} {in_time}
titlebout_request_seconds_bucket{{endpoint="/predict",le="+Inf"}} {all}
titlebout_undisturbed_seconds_bucket{{endpoint="/predict",le="1.0"}} {in_time}
titlebout_undisturbed_seconds_bucket{{endpoint="/predict",le="+Inf"}} {all}
"""
turn = threading.Lock()
clients: dict[str, dict[str, Any]] = {}  # by name


class Handler(BaseHTTPRequestHandler):
    """Answer like a slot's server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5  # seconds a kept-open connection may be idle, as with uvicorn

    def do_GET(self) -> None:
        """Answer /metrics, /failed, /release and the probes."""
        if self.path == "/metrics":
            return self._send(200, metrics().encode())
        if self.path == "/failed":
            return self._answer(200, {"clients": list(clients.values())})
        contract = {"inputs": [{"name": name, "example": 1.0} for name in sorted(columns)]}
        return self._answer(
            200, {"id": release, "contract": contract} if self.path == "/release" else {}
        )

    def do_POST(self) -> None:
        """Predict, or misbehave as told."""
        global answered  # noqa: PLW0603
        answered += 1
        self.sent = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            content = json.loads(self.sent)
            datetime.fromisoformat(self.headers.get("x-event-time", "2026-01-01"))
        except ValueError:
            return self._answer(400, {"error": "no JSON, or no time"})
        rows = content if isinstance(content, list) else [content]
        with turn if behaviour.get("serves_one_at_a_time") else contextlib.nullcontext():
            time.sleep(behaviour.get("slow_seconds", 0))
        if answered > behaviour.get("dies_under", float("inf")):
            os._exit(1)
        if is_live(behaviour.get("breaks_when_live")):
            return self._answer(500, {"error": "broken on purpose"})
        if (refusal := find_refusal(rows)) is not None:
            return self._answer(*refusal)
        predicted = [1.0 + behaviour.get("factor", 0) * (row.get("x") or 0) for row in rows]
        answer = {"predictions": predicted} if rows is content else {"prediction": predicted[0]}
        return self._answer(
            200, {**answer, "release": release, "request_id": self.headers.get("x-request-id")}
        )

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        if self.command == "POST":
            counts["requests"][status] += 1
            probe = self.headers.get("x-titlebout-probe") == os.environ.get(
                "TITLEBOUT_PROBE_SECRET", "none"
            )
            counts["probes"][status] += probe
            if not probe:
                self._note(status)
        self._send(status, json.dumps(body).encode())

    def _note(self, status: int) -> None:
        name = self.headers.get("x-client", "somebody")
        new_client: dict[str, Any] = {
            "client": name,
            "asked": 0,
            "errors": {"seen": 0, "kept": []},
            "refusals": {"seen": 0, "kept": []},
        }
        client = clients.setdefault(name, new_client)
        client["asked"] += 1
        if status < 400:
            return
        failures = client["errors" if status >= 500 else "refusals"]
        failures["seen"] += 1
        headers = {
            key: value
            for key, value in self.headers.items()
            if key.lower() not in ("host", "content-length")
        }
        body = base64.b64encode(self.sent).decode()
        failures["kept"].append(
            {
                "number": answered,
                "path": self.path,
                "headers": headers,
                "body": body,
                "status": status,
            }
        )

    def _send(self, status: int, payload: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("x-titlebout-release", release)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
        pass


def is_live(dial: str | None) -> bool:
    """Tell whether the proxy's dial file names this server."""
    return dial is not None and Path(dial).is_file() and Path(dial).read_text().endswith(f":{port}")


def find_refusal(rows: list[dict[str, Any]]) -> tuple[int, dict[str, Any]] | None:
    """Return status and body if these rows get no prediction, else None."""
    largest = max((row.get("x") or 0) for row in rows)
    if (unknown := set().union(*rows) - columns) and not behaviour.get("accepts_anything"):
        return 400, {"error": f"unknown column {sorted(unknown)}"}
    if largest >= behaviour.get("refuses_from", float("inf")):
        return 400, {"error": "x is too large"}
    if largest >= behaviour.get("fails_from", float("inf")):
        return 500, {"error": "x breaks it"}
    if is_live(behaviour.get("live")) and answered % behaviour["fails_every_when_live"] == 0:
        return 500, {"error": "now and then"}
    return None


def metrics() -> str:
    """Return the metrics page."""
    lines = [
        f'titlebout_{name}_total{{endpoint="/predict",status="{status}"}} {count}'
        for name, by_status in counts.items()
        for status, count in by_status.items()
    ]
    in_time = 0 if behaviour.get("tells_of_slowness") else answered
    return "\n".join([*lines, METRICS.format(all=answered, in_time=in_time)])


class Server(ThreadingHTTPServer):
    """Serve each connection in a thread."""

    request_queue_size = 256
    daemon_threads = True


Server(("127.0.0.1", port), Handler).serve_forever()
