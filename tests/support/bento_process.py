"""Serve a Bento by its own command as a real process, and call it over the network."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from titlebout.packaging.bento import serve_command, serve_environment
from titlebout.spec import PROBE_VARIABLE, Release

READY_SECONDS = 60.0


class Server:
    """Call a served Bento."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, inference: Path) -> None:
        self.process, self.port, self.inference = process, port, inference

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """Send one request; return the status and the content, read if it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, json.loads(content) if response.getheader(
            "content-type"
        ) == "application/json" else content

    def terminate(self) -> int:
        """Stop the server, and return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def serving(bento: Path, release: Release, folder: Path, *, secret: str = "") -> Iterator[Server]:
    """Serve the Bento until the block ends.

    `folder` holds the release file, what BentoML keeps, and the inference table. `secret` proves
    the platform's probes.
    """
    folder.mkdir()
    release_file, inference = folder / "release.json", folder / "inference"
    release_file.write_text(release.canonical_json())
    port = free_port()
    variables = {
        **serve_environment(release_file=release_file, slot="blue", inference=inference),
        PROBE_VARIABLE: secret,
    }
    with started(serve_command(bento, port=port), variables, port, folder) as process:
        yield Server(process, port, inference)


@contextlib.contextmanager
def started(
    arguments: list[str], variables: Mapping[str, str], port: int, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command, wait until it is ready, and stop it at the end."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            arguments,
            env={**os.environ, **variables, "HOME": str(folder)},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_ready(process, port, folder / "log")
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the process answers /readyz."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(
                f"http://127.0.0.1:{port}/readyz", timeout=READY_SECONDS
            ) as answer,
        ):
            assert answer.status == 200
            return
        time.sleep(0.05)
    raise AssertionError(f"not ready: {log.read_text()}")


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Senders:
    """Send the row again and again until told to stop or the server is gone.

    `answered` holds the ids that were answered.
    """

    def __init__(self, server: Server, body: bytes, *, clients: int) -> None:
        self._server, self._body, self._stop = server, body, threading.Event()
        self.answered: list[str] = []
        self._threads = [threading.Thread(target=self._send) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=30)
        while not self._stop.is_set():
            try:
                connection.request("POST", "/predict", self._body)
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException):
                break  # the server has stopped
            assert response.status == 200
            self.answered.append(json.loads(content)["request_id"])
        connection.close()

    def join(self) -> list[str]:
        """Wait for the senders, and return the ids that were answered."""
        for thread in self._threads:
            thread.join(timeout=60)
        return self.answered
