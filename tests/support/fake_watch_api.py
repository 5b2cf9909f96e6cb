"""Serve one namespace's Services and Deployments over HTTP, as an API server does.

There are lists, watches that send what changes, and single reads.
"""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from titlebout.cluster import Api

WATCH_SECONDS = 0.1  # a watch ends after this time, and everything is listed again


class FakeApi:
    """Serve `objects`, which are by plural and name. While it is `broken`, a list is no JSON."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict]] = {"services": {}, "deployments": {}}
        self.events: dict[str, queue.SimpleQueue] = {
            plural: queue.SimpleQueue() for plural in self.objects
        }
        self.broken = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def api(self) -> Api:
        """Return titlebout's client of this server, without a kubeconfig."""
        from kubernetes.client import ApiClient, Configuration

        found = Api("fake")
        found.client = ApiClient(Configuration(host=f"http://127.0.0.1:{self._server.server_port}"))
        return found

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class WatchHandler(BaseHTTPRequestHandler):
            """Answer one request."""

            def do_GET(self) -> None:
                """Send one object, a list, or what changes."""
                url = urlsplit(self.path)
                parts, query = url.path.strip("/").split("/"), parse_qs(url.query)
                plural, name = (
                    (parts[-1], None) if parts[-1] in fake.objects else (parts[-2], parts[-1])
                )
                found = None if name is None else fake.objects[plural].get(name)
                self.send_response(404 if name and found is None else 200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                for piece in (
                    fake._watch_events(plural)
                    if "watch" in query
                    else [fake._list_objects(plural) if name is None else json.dumps(found)]
                ):
                    self.wfile.write(piece.encode())
                    self.wfile.flush()

            def log_message(self, format: str, *args: object) -> None:
                """Write no log; no test reads it."""

        return WatchHandler

    def _list_objects(self, plural: str) -> str:
        listed = json.dumps(
            {"metadata": {"resourceVersion": "1"}, "items": list(self.objects[plural].values())}
        )
        return "no JSON" if self.broken else listed

    def _watch_events(self, plural: str) -> Iterator[str]:
        try:
            while True:
                event = self.events[plural].get(timeout=WATCH_SECONDS)
                if event["type"] == "DELETED":
                    del self.objects[plural][event["object"]["metadata"]["name"]]
                yield json.dumps(event) + "\n"
        except queue.Empty:
            return


def live_service(model: str, slot: str = "blue", **metadata: Any) -> dict:
    """Return a live Service, as the API's JSON."""
    meta = {
        "name": model,
        "uid": f"service-{model}",
        "resourceVersion": "7",
        "labels": {"titlebout.io/live": "true"},
    }
    return {
        "metadata": meta | metadata,
        "spec": {"selector": {"titlebout.io/model": model, "titlebout.io/slot": slot}},
    }


def slot_deployment(model: str, slot: str = "blue") -> dict:
    """Return a slot's Deployment, as the API's JSON."""
    labels = {"titlebout.io/model": model, "titlebout.io/slot": slot}
    meta = {
        "name": f"{model}-{slot}",
        "uid": f"slot-{model}",
        "resourceVersion": "8",
        "labels": labels,
    }
    return {"metadata": meta | {"annotations": {"titlebout.io/release": "a" * 64}}}
