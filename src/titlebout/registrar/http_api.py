"""Answer with history, verify and status as JSON. Nothing can be written here."""

import json
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from titlebout.ledger import serving_at
from titlebout.registrar.registrar import AWAY, Registrar
from titlebout.registrar.verify_ledger import verify
from titlebout.spec import SpecError

# kubectl prints the message of a Kubernetes Status, and of no other answer.
REFUSAL = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "BadRequest"}
# Every thread's turn is shorter. A watch is silent for 40 s at most, and a call takes at most 10 s.
STUCK_SECONDS = 120.0


def serve(registrar: Registrar) -> ThreadingHTTPServer:
    """Return the server, which listens; its `serve_forever` answers."""

    class RegistrarHandler(BaseHTTPRequestHandler):
        """Answer one request."""

        def do_GET(self) -> None:
            """Send the answer as JSON."""
            status, content = _answer(registrar, self.path)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: probes ask every few seconds, and the registrar logs its problems."""

    return ThreadingHTTPServer(("", registrar.settings.port), RegistrarHandler)


def _answer(registrar: Registrar, path: str) -> tuple[int, Any]:
    parts = urlsplit(path)
    at = parse_qs(parts.query).get("at", [None])[0]
    try:
        return _content_of(registrar, parts.path.strip("/").split("/"), at)
    except SpecError as error:
        return HTTPStatus.BAD_REQUEST, {
            "error": str(error),
            "message": str(error),
            **REFUSAL,
            "code": HTTPStatus.BAD_REQUEST,
        }
    except AWAY as error:
        return HTTPStatus.SERVICE_UNAVAILABLE, {"error": " ".join(str(error).split())}


def _content_of(registrar: Registrar, parts: list[str], at: str | None) -> tuple[int, Any]:
    match parts:
        case ["healthz"]:
            stuck = _stuck_threads(registrar)
            return (HTTPStatus.INTERNAL_SERVER_ERROR if stuck else HTTPStatus.OK), {
                "alive": not stuck,
                "stuck": stuck,
            }
        case ["history", model]:
            return HTTPStatus.OK, _history_entries(registrar, model, at)
        case ["verify"]:
            return HTTPStatus.OK, {"faults": verify(registrar)}
        case ["status"]:
            return HTTPStatus.OK, _live_status(registrar)
    return HTTPStatus.NOT_FOUND, {
        "error": "unknown path: expected /history/MODEL[?at=TIME], /verify, /status or /healthz"
    }


def _stuck_threads(registrar: Registrar) -> list[str]:
    """Return the threads that have not completed a turn for too long."""
    now = time.monotonic()
    return sorted(
        thread
        for thread, time_of_turn in dict(registrar.turns).items()
        if now - time_of_turn > STUCK_SECONDS
    )


def _history_entries(registrar: Registrar, model: str, at: str | None) -> list[dict[str, Any]]:
    entries = [stored.entry for stored in registrar.ledger.chain(model)]
    return [
        entry.model_dump(mode="json")
        for entry in (entries if at is None else serving_at(entries, at))
    ]


def _live_status(registrar: Registrar) -> dict[str, Any]:
    live = {
        model: {"slot": seen.slot, "release": seen.release, "behind": registrar.is_behind(model)}
        for model, seen in sorted(registrar.seen.items())
    }
    return {"live": live, "problems": dict(registrar.problems)}
