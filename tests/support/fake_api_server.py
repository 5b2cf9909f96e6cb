"""Serve a small part of a Kubernetes API over HTTP, and keep what was written.

It has objects by path, resource versions, conflicts and errors.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from titlebout.cluster import merged

CONTEXT = "company"
VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.0"} | dict.fromkeys(
    ("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"), "unknown"
)
KINDS = {  # what Helm asks for before it reads an object
    "/api/v1": {
        "namespaces": "Namespace",
        "secrets": "Secret",
        "persistentvolumeclaims": "PersistentVolumeClaim",
    },
    "/apis/apps/v1": {"deployments": "Deployment", "statefulsets": "StatefulSet"},
}


class ApiServer(ThreadingHTTPServer):
    """Serve `objects`, which are by path, such as `/api/v1/namespaces/ring-dev`.

    `writes` are the methods and paths that changed something. `statuses` are the paths that answer
    an error instead.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ApiHandler)
        self.objects: dict[str, dict] = {}
        self.writes: list[str] = []
        self.statuses: dict[str, int] = {}
        self.lock, self.version = threading.Lock(), 0

    def add_discovery(self) -> None:
        """Add what Helm needs: a version, and which kinds there are."""
        groups = [{"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]}]
        self.objects |= {
            "/version": VERSION,
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
        }
        for path, kinds in KINDS.items():
            found = [
                {"name": name, "kind": kind, "namespaced": kind != "Namespace", "verbs": ["get"]}
                for name, kind in kinds.items()
            ]
            version = path.removeprefix("/apis/").removeprefix("/api/")
            self.objects[path] = {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": version,
                "resources": found,
            }

    def put(self, path: str, found: dict) -> dict:
        """Store the object in a new version, and return it."""
        self.version += 1
        self.objects[path] = merged(
            found,
            {"metadata": {"name": path.rpartition("/")[2], "resourceVersion": str(self.version)}},
        )
        return self.objects[path]

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig whose one context is CONTEXT, and return its path."""
        cluster = {"server": f"http://127.0.0.1:{self.server_port}"}
        found = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "one", "cluster": cluster}],
            "users": [{"name": "one", "user": {"token": "t"}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": "one", "user": "one"}}],
            "current-context": CONTEXT,
        }
        path.write_text(yaml.safe_dump(found))
        return path


class _ApiHandler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        """Send the object."""
        found = self.server.objects.get(self._path)
        if status := self.server.statuses.get(self._path):
            return self._answer(status, {"message": "an error"})
        return (
            self._answer(404, {"message": "no such"}) if found is None else self._answer(200, found)
        )

    def do_POST(self) -> None:
        """Create the object, or answer that it exists already."""
        sent = self._request_body()
        path = f"{self._path}/{sent['metadata']['name']}"
        with self.server.lock:
            if path in self.server.objects:
                return self._answer(409, {"message": "exists already"})
            self.server.writes.append(f"POST {path}")
            return self._answer(201, self.server.put(path, sent))

    def do_PATCH(self) -> None:
        """Merge into the object, or answer that it has another version."""
        sent = self._request_body()
        with self.server.lock:
            found = self.server.objects.get(self._path)
            if found is None:
                return self._answer(404, {"message": "no such"})
            if (
                sent["metadata"].pop("resourceVersion", found["metadata"]["resourceVersion"])
                != found["metadata"]["resourceVersion"]
            ):
                return self._answer(409, {"message": "another version"})
            self.server.writes.append(f"PATCH {self._path}")
            return self._answer(200, self.server.put(self._path, merged(found, sent)))

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0].rstrip("/")

    def _request_body(self) -> dict:
        return dict(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, status: int, body: dict | str) -> None:
        """Send an object, or a text as it is: a pod's log."""
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Write no log; no test reads it."""


@contextmanager
def running() -> Iterator[ApiServer]:
    """Run an API server, and stop it at the end."""
    server = ApiServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
