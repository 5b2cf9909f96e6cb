"""Serve this Bento in one process: `python serve.py HOST PORT`.

`bentoml serve` does the same in two, a supervisor and its worker; here whoever started the process
supervises it. That saves 60 MB and 1.5 s. SIGTERM reaches the server itself: it ends the requests
under way, writes the inference table and exits.
"""

import sys
from pathlib import Path

import bentoml
import uvicorn

from titlebout.serve.connection_limits import LimitedProtocol

# BentoML's timer per request lives for the whole timeout, and so keeps the memory of every request
# of that time.
UNWANTED = frozenset({"TimeoutMiddleware", "OpenTelemetryMiddleware"})
# Longer than a proxy keeps idle connections: the proxy closes first, so no request is sent on a
# connection that was closed here.
KEEP_ALIVE_SECONDS = 75
MOST_CONNECTIONS = 2_000  # each may hold a hundred kilobytes that were not yet read; beyond, 503
STOP_SECONDS = 10  # for the requests under way
# How long a computing thread keeps the interpreter from the event loop. Python's 5 ms add up to
# tenths of a second for everybody while large bodies are read (benchmarks/attack_server.py).
THREAD_TURN_SECONDS = 0.0005


def main(host: str, port: int) -> None:
    """Serve on the host and the port until SIGTERM."""
    sys.setswitchinterval(THREAD_TURN_SECONDS)
    service = bentoml.load(str(Path(__file__).resolve().parents[1]))
    app = service.to_asgi()
    app.user_middleware = [
        middleware for middleware in app.user_middleware if middleware.cls.__name__ not in UNWANTED
    ]
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=LimitedProtocol,
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
