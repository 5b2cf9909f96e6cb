"""Ask a server 100 times a second while two clients attack it.

How long do the others wait, and how much memory does the server take?

python benchmarks/attack_server.py [--rate 100] [--seconds 6]

The tabular service of `serving.py` runs as in a slot, in its own process. The others' load is
open-loop and comes from another process. Each attack sends at most MOST requests a client, to
127.0.0.1 alone. Prints a table, and JSON on standard output.
"""

import argparse
import gzip
import json
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from serving import Server, start_tabular, stop  # beside this file
from serving_model import write

from titlebout.loadgen import BackgroundLoad, Load, summary

MOST = 60  # requests of a client in one attack
CLIENTS = 2
ANSWER_SECONDS = 30.0
MEGABYTES = 1 << 20
LARGE = 15 * MEGABYTES
SLOW_CONNECTIONS = 100
CALM_SECONDS = 3.0  # between two attacks: what the last one left in work is not the next one's
Body = tuple[bytes, dict[str, str]]


def attacks(row: dict[str, Any]) -> dict[str, Callable[[int], Body]]:
    """Return body and headers by the request's number, for the attacks by bodies."""
    plain = json.dumps(row).encode()
    table = json.dumps([row] * 20_000).encode()
    future = {"X-Event-Time": (datetime.now(UTC) + timedelta(days=3_000)).isoformat()}
    texts = (
        json.dumps([{**row, "category0": f"{random.random()}" * 40} for _ in range(15_000)])
        .encode()[:LARGE]
        .rpartition(b", {")[0]
        + b"]"
    )
    bodies: dict[str, Body] = {
        "D1 a 15 MB key": (b'{"' + b"k" * LARGE + b'": 1}', {}),
        "D1 15 MB of keys": (
            b"{" + b",".join(b'"%x":1' % number for number in range(1_400_000)) + b"}",
            {},
        ),
        "D1 5 million lists": (b"[" + b",".join([b"[]"] * 5_000_000) + b"]", {}),
        "lists of 20,000 rows": (table, {}),
        "D2 15 MB of texts, storage away": (texts, {}),
        "D2 a 15 MB text, storage away": (
            json.dumps({**row, "category0": "t" * LARGE}).encode(),
            {},
        ),
        "D4 event times in the future": (plain, future),
        "D7 nested 973 deep": (b"[" * 973 + b"]" * 973, {}),
        "gzip of 160 MB": (gzip.compress(b" " * (160 * MEGABYTES)), {"Content-Encoding": "gzip"}),
    }
    return {name: (lambda _, body=body: body) for name, body in bodies.items()}


def main() -> None:
    """Run the attacks, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--rate", type=float, default=100, help="requests a second of all other clients together"
    )
    parser.add_argument("--seconds", type=float, default=6, help="of each attack")
    parser.add_argument(
        "--only", nargs="*", default=[""], help="parts of the names of the attacks to run"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), rate=options.rate, seconds=options.seconds, only=options.only)
    print_table(found)
    print(json.dumps(found))


def measure(
    work: Path, *, rate: float, seconds: float, only: list[str]
) -> dict[str, dict[str, Any]]:
    """Return the others' latencies and the server's memory and CPU, by attack."""
    row = write(work)
    server = start_tabular(work, row)
    load = {
        "url": f"http://127.0.0.1:{server.port}/predict",
        "bodies": [row],
        "rate": rate,
        "request_id_prefix": "others-",
    }
    chosen: dict[str, Callable[[float], int]] = {
        "nobody attacks": _wait,
        "100 connections that send a byte a second": _send_slowly(server),
    }
    chosen |= {name: _send_bodies(server, body) for name, body in attacks(row).items()}
    chosen = {name: attack for name, attack in chosen.items() if any(part in name for part in only)}
    found = dict[str, dict[str, Any]]()
    try:
        for name, attack in chosen.items():
            _block_storage(work, away="storage away" in name)
            _forget_peak(server)
            with BackgroundLoad(others := Load(**load), seconds=seconds + 5):
                time.sleep(1)  # others are there already
                began, cpu = time.time(), server.cpu_seconds
                sent = attack(seconds)
                ended = time.time()
            others.answers[:] = [
                answer for answer in others.answers if began <= answer.due <= ended
            ]
            figures = summary(others.answers)
            found[name] = {
                "attacked": sent,
                "others": figures["sent"],
                "failed": figures["failed"],
                "p50_ms": figures["p50_ms"],
                "p99_ms": figures["p99_ms"],
                "most_rss_mb": _peak_mb(server),
                "cpu_share": round((server.cpu_seconds - cpu) / (ended - began), 2),
            }
            print(name, found[name], file=sys.stderr)
            time.sleep(CALM_SECONDS)
    finally:
        _block_storage(work, away=False)
        stop(server)
    return found


def _wait(seconds: float) -> int:
    time.sleep(seconds)
    return 0


def _send_bodies(server: Server, body: Callable[[int], Body]) -> Callable[[float], int]:
    """Return an attack of two clients; each sends as soon as it was answered."""

    def attack(seconds: float) -> int:
        end, sent = time.monotonic() + seconds, [0] * CLIENTS

        def send(client: int) -> None:
            for number in range(MOST):
                if time.monotonic() > end:
                    break
                content, headers = body(number)
                connection = HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_SECONDS)
                with suppress(OSError, HTTPException), closing(connection):
                    connection.request("POST", "/predict", content, headers)
                    connection.getresponse().read()
                sent[client] += 1

        threads = [threading.Thread(target=send, args=(client,)) for client in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(max(0.0, end - time.monotonic()))
        return sum(sent)

    return attack


def _send_slowly(server: Server) -> Callable[[float], int]:
    def attack(seconds: float) -> int:
        sockets = [
            socket.create_connection(("127.0.0.1", server.port), timeout=ANSWER_SECONDS)
            for _ in range(SLOW_CONNECTIONS)
        ]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for one in sockets:
                with suppress(OSError):
                    one.send(b"P")
            time.sleep(1)
        for one in sockets:
            one.close()
        return len(sockets)

    return attack


def _block_storage(work: Path, *, away: bool) -> None:
    """Put a file where the inference table's folder should be, or put the folder back."""
    folder, kept = work / "inference", work / "kept"
    if away and not folder.is_file():
        if folder.is_dir():
            folder.rename(kept)
        folder.touch()
    elif not away and folder.is_file():
        folder.unlink()
        shutil.rmtree(kept, ignore_errors=True)


def _forget_peak(server: Server) -> None:
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def _peak_mb(server: Server) -> int:
    """Return the most resident memory since `_forget_peak`, in MB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def print_table(found: dict[str, dict[str, Any]]) -> None:
    """Print the figures on standard error."""
    lines = [
        f"{'':45}{'attacked':>9}{'others':>8}{'failed':>8}{'p50 ms':>9}{'p99 ms':>9}"
        f"{'most MB':>9}{'CPU':>6}"
    ]
    for name, one in found.items():
        values = [
            one[key]
            for key in (
                "attacked",
                "others",
                "failed",
                "p50_ms",
                "p99_ms",
                "most_rss_mb",
                "cpu_share",
            )
        ]
        lines.append(
            f"{name:45}"
            + "".join(
                f"{value!s:>{width}}"
                for value, width in zip(values, (9, 8, 8, 9, 9, 9, 6), strict=True)
            )
        )
    print("\n".join(lines), file=sys.stderr)


if __name__ == "__main__":
    main()
