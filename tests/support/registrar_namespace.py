"""Set up what a registrar needs: a namespace with live Services and slots, and a database.

Slots run next to nothing. PostgreSQL runs there; MLflow and the registrar run here.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from titlebout.spec import Override, Release, object_names

NAMESPACE = "reg-prod"
FOLLOW_SECONDS = 5.0


@contextmanager
def namespace_with_database(image: str) -> Iterator[None]:
    """Create the namespace with a PostgreSQL that keeps nothing, and delete it afterwards."""
    subprocess.run(["kubectl", "create", "namespace", NAMESPACE], check=False, capture_output=True)
    labels = {"titlebout.io/part": "database"}
    container = {
        "name": "postgres",
        "image": image,
        "env": [
            {"name": "POSTGRES_PASSWORD", "value": "reg"},
            {"name": "LC_ALL", "value": "C.UTF-8"},
            {"name": "PGDATA", "value": "/data/pgdata"},
        ],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "ports": [{"name": "postgres", "containerPort": 5432}],
        "readinessProbe": {"tcpSocket": {"port": "postgres"}, "periodSeconds": 1},
    }
    user = {"runAsUser": 999, "fsGroup": 999}  # the official image's postgres
    pod = {
        "containers": [container],
        "securityContext": user,
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
    metadata = {"name": "database", "labels": labels}
    service = {"selector": labels, "ports": [{"port": 5432}]}
    try:
        apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
        )
        kubectl("wait", "--for=condition=ready", "pod/database", "--timeout=60s")
        yield
    finally:
        subprocess.run(
            ["kubectl", "delete", "namespace", NAMESPACE], check=True, capture_output=True
        )


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """Run kubectl in the namespace and return what it printed."""
    done = subprocess.run(
        ["kubectl", "-n", NAMESPACE, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def apply(*objects: dict) -> None:
    """Apply objects to the namespace."""
    kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
    )


def make_release(model: str, number: int) -> Release:
    """Return the record of a model's release of this number."""
    return Release(
        model=model,
        model_digest=f"{number:064x}",
        package_digest="0" * 64,
        data_digest="0" * 64,
        code_version="tests",
        configuration_digest="0" * 64,
        threshold=None,
        verdict=None,
        override=Override(by="tests", reason="there is no gate here"),
    )


PAUSE = os.environ.get("TITLEBOUT_TEST_PAUSE", "localhost:5000/lab/pause:1")
POD = {
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1034,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "containers": [
        {
            "name": "pause",
            "image": PAUSE,
            "resources": {"requests": {"cpu": "1m", "memory": "4Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
}


def slot_deployment(model: str, colour: str, release: str, *, replicas: int = 0) -> dict:
    """Return a slot's Deployment with the annotations of helm/serving.

    The registrar reads nothing else of it.
    """
    labels = {object_names.LABEL_MODEL: model, object_names.LABEL_SLOT: colour}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": f"{model}-{colour}",
            "labels": labels,
            "annotations": {object_names.ANNOTATION_RELEASE: release},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": POD},
        },
    }


def make_statement(
    number: str, colour: str, release: str, before: str | None, kind: str = "switched"
) -> str:
    """Return the annotation that a releaser writes on the live Service when it switches."""
    fields = {
        "id": number,
        "slot": colour,
        "release": release,
        "from_release": before,
        "kind": kind,
        "by": "ci",
        "reason": "the gate accepted it",
    }
    return json.dumps(
        {**fields, "time": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()), "evidence": {}}
    )


def live_service(model: str, colour: str, statement: str) -> dict:
    """Return the model's live Service: its traffic goes to slot `colour`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": model,
            "labels": {object_names.LABEL_LIVE: "true"},
            "annotations": {
                object_names.ANNOTATION_SWITCHABLE: "blue,green",
                object_names.ANNOTATION_CHANGE: statement,
            },
        },
        "spec": {
            "selector": {object_names.LABEL_MODEL: model, object_names.LABEL_SLOT: colour},
            "ports": [{"port": 80}],
        },
    }


def patch_slot(model: str, colour: str) -> None:
    """Move the traffic by the one command of docs/rollback.md."""
    kubectl(
        "patch",
        "service",
        model,
        "-p",
        json.dumps({"spec": {"selector": {object_names.LABEL_SLOT: colour}}}),
    )


def free_port() -> int:
    """Return a port of this machine that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """Run a Python program on a port, so that a test can kill it and start it again."""

    def __init__(
        self, log: Path, *command: str, port: int, health: str, variables: dict[str, str]
    ) -> None:
        self.port = port
        self._log = log
        self._command = command
        self._health = health
        self._variables = variables
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program and wait until its health page answers."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._command],
                stdout=log,
                stderr=log,
                env={**os.environ, **self._variables},
                start_new_session=True,
            )
        wait_until(lambda: self.get(self._health) is not None, seconds=60)

    def kill(self) -> None:
        """Kill the program and its children without grace."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def get(self, path: str) -> Any:
        """Return the JSON of a page, or None if nothing answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=5
            ) as response:
                return json.loads(response.read().decode().replace("OK", "true") or "null")
        except (OSError, urllib.error.HTTPError):
            return None

    def post(self, path: str, body: dict) -> Any:
        """Post a JSON body and return the JSON of the answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())


def wait_until(condition: Callable[[], object], *, seconds: float = FOLLOW_SECONDS) -> float:
    """Wait until the condition holds, and return the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began
