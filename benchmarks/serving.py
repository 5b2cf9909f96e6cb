"""Compare one-row requests per second of the tabular service and a default BentoML service.

Both serve the same scikit-learn model. The figures go to the terminal as a table and to standard
output as JSON. benchmarks/README.md says how to run it.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from serving_client import requests_per_second
from serving_model import PICKLE, write

from titlebout.packaging.bento import build_bento, serve_command, serve_environment
from titlebout.spec import Release, digest_of_folder, find_project

CLIENTS = 8
READY_SECONDS = 60.0
HERE = Path(__file__).parent
TARGETS = {"ratio": 8.0, "ready_seconds": 5.0}


class Server(NamedTuple):
    """Hold a running server, its start's seconds, and the body to send."""

    process: psutil.Process
    port: int
    ready_seconds: float
    ready_cpu_seconds: float
    body: bytes

    @property
    def all(self) -> list[psutil.Process]:
        """Return the server's processes."""
        return [self.process, *self.process.children(recursive=True)]

    @property
    def cpu_seconds(self) -> float:
        """Return the CPU seconds of all processes."""
        return sum(sum(process.cpu_times()[:2]) for process in self.all)

    @property
    def pss_bytes(self) -> int:
        """Return the proportional set size of all processes, in bytes."""
        return sum(process.memory_full_info().pss for process in self.all)


def main() -> None:
    """Run the rounds, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each service in each round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), rounds=arguments.rounds, seconds=arguments.seconds)
    print_table(figures)
    print(json.dumps(figures))


def measure(work: Path, *, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the figures of both services."""
    row = write(work)
    servers: dict[str, Server] = {}
    try:
        servers["tabular"] = start_tabular(work, row)
        servers["default"] = start_default(work, row)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for number in range(rounds + 1):  # the first round warms both up
            for name, server in servers.items():
                result = one_round(server, seconds)
                if number:
                    found[name].append(result)
        memory = {name: server.pss_bytes for name, server in servers.items()}
    finally:
        for server in servers.values():
            stop(server)
    return summary(found, servers, memory)


def one_round(server: Server, seconds: float) -> dict[str, float]:
    """Ask one server in a closed loop. Return rate, latency and CPU."""
    before = server.cpu_seconds
    rate, median_ms = requests_per_second(
        server.port, server.body, seconds=seconds, clients=CLIENTS
    )
    return {
        "rate": rate,
        "median_ms": median_ms,
        "cpu_us": (server.cpu_seconds - before) / (rate * seconds) * 1e6,
    }


def summary(
    found: Mapping[str, list[dict[str, float]]],
    servers: Mapping[str, Server],
    memory: Mapping[str, int],
) -> dict[str, Any]:
    """Return the medians of the rounds."""
    services = {
        name: {
            "requests_per_second": round(statistics.median(result["rate"] for result in results)),
            "median_ms": round(statistics.median(result["median_ms"] for result in results), 2),
            "cpu_us_per_request": round(statistics.median(result["cpu_us"] for result in results)),
            "ready_seconds": round(servers[name].ready_seconds, 2),
            "ready_cpu_seconds": round(servers[name].ready_cpu_seconds, 2),
            "pss_bytes": memory[name],
        }
        for name, results in found.items()
    }
    ratios = [
        ours["rate"] / theirs["rate"]
        for ours, theirs in zip(found["tabular"], found["default"], strict=True)
    ]
    return {
        "services": services,
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
    }


def start_tabular(work: Path, row: dict[str, Any], **more: str) -> Server:
    """Start the tabular service; `more` are variables of the server's."""
    bento, digest = build_bento(find_project(HERE), work / "model", work / "packages")
    release = Release(
        model="bench",
        model_digest=digest_of_folder(work / "model"),
        package_digest=digest,
        data_digest="none",
        code_version="none",
        configuration_digest="none",
        threshold=0.5,
        verdict="none",
    )
    slot = work / "slot"
    slot.mkdir()
    (slot / "release.json").write_text(release.canonical_json())
    port = free_port()
    variables = serve_environment(
        release_file=slot / "release.json", slot="blue", inference=work / "inference"
    )
    return start(serve_command(bento, port=port), {**variables, **more}, port, cwd=slot, body=row)


def start_default(work: Path, row: dict[str, Any]) -> Server:
    """Start BentoML's default service."""
    port = free_port()
    serve = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        "serving_default:Default",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    variables = {
        "BENTOML_HOME": str(work / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENCHMARK_PICKLE": str(work / PICKLE),
    }
    return start(serve, variables, port, cwd=HERE, body={"rows": [row]})


def start(
    arguments: list[str], variables: Mapping[str, str], port: int, *, cwd: Path, body: Any
) -> Server:
    """Start the server, and wait until it is ready."""
    started = time.perf_counter()
    process = subprocess.Popen(
        arguments,
        env={**os.environ, **variables},
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not ready(port):
        if process.poll() is not None or time.perf_counter() - started > READY_SECONDS:
            raise RuntimeError(f"{arguments} did not become ready")
        time.sleep(0.02)
    ready_seconds = time.perf_counter() - started
    server = Server(
        psutil.Process(process.pid), port, ready_seconds, 0.0, json.dumps(body).encode()
    )
    return server._replace(ready_cpu_seconds=server.cpu_seconds)


def ready(port: int) -> bool:
    """Tell whether the server answers that it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def stop(server: Server) -> None:
    """Stop the server."""
    server.process.terminate()
    server.process.wait(timeout=30)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures on standard error."""
    lines = [
        f"{'':10}{'requests/s':>12}{'median ms':>12}{'CPU µs/req':>12}"
        f"{'ready s':>10}{'CPU s':>8}{'PSS MB':>8}"
    ]
    for name, found in figures["services"].items():
        rate, ms, cpu, ready_seconds, ready_cpu, memory = found.values()
        lines.append(
            f"{name:10}{rate:>12,}{ms:>12}{cpu:>12,}"
            f"{ready_seconds:>10}{ready_cpu:>8}{memory / 1e6:>8.0f}"
        )
    lines.append(
        f"ratio {figures['ratio']} (target {TARGETS['ratio']:g}), rounds {figures['ratios']}"
    )
    print("\n".join(lines), file=sys.stderr)


if __name__ == "__main__":
    main()
