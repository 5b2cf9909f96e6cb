"""A little of a Kubernetes API server, on the wire: objects by path, resource versions, conflicts, errors; and what was written to it."""

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
KINDS = {  # what Helm asks about before it looks an object up
    "/api/v1": {
        "namespaces": "Namespace",
        "secrets": "Secret",
        "persistentvolumeclaims": "PersistentVolumeClaim",
    },
    "/apis/apps/v1": {"deployments": "Deployment", "statefulsets": "StatefulSet"},
}


class ApiServer(ThreadingHTTPServer):
    """`objects` by path, `/api/v1/namespaces/ring-dev`; `writes` are the methods and paths that changed something."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, dict] = {}
        self.writes: list[str] = []
        self.statuses: dict[str, int] = {}  # paths that answer an error instead
        self.turn, self.version = threading.Lock(), 0

    def discoverable(self) -> None:
        """As Helm needs it: a version, and which kinds there are."""
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
        self.version += 1
        self.objects[path] = merged(
            found,
            {"metadata": {"name": path.rpartition("/")[2], "resourceVersion": str(self.version)}},
        )
        return self.objects[path]

    def kubeconfig(self, path: Path) -> Path:
        """Its one context is CONTEXT."""
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


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        found = self.server.objects.get(self._path)
        if status := self.server.statuses.get(self._path):
            return self._answer(status, {"message": "an error"})
        return (
            self._answer(404, {"message": "no such"}) if found is None else self._answer(200, found)
        )

    def do_POST(self) -> None:
        sent = self._sent()
        path = f"{self._path}/{sent['metadata']['name']}"
        with self.server.turn:
            if path in self.server.objects:
                return self._answer(409, {"message": "exists already"})
            self.server.writes.append(f"POST {path}")
            return self._answer(201, self.server.put(path, sent))

    def do_PATCH(self) -> None:
        sent = self._sent()
        with self.server.turn:
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

    def _sent(self) -> dict:
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
        pass


@contextmanager
def running() -> Iterator[ApiServer]:
    server = ApiServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
