"""Release while a client attacks and others ask 100 times a second.

Is a healthy release ever sent back, and a broken one always?

python benchmarks/attack_bake.py [--rate 100] [--bake 6] [--p99 50]

Packages, servers, Caddy and ledger are the real ones on this machine; only the registry is a
folder. For each attack a new healthy release is made. The attack runs from the switch to the end of
the bake, and the others ask all the time. Then releases that are broken on purpose get all attacks
at once.

Prints JSON: each release's outcome, and the others' latencies. An attacker sends at most MOST
requests.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attack_models import MODEL_YAML, challenger, rows_of_clients, set_up  # beside this file

from titlebout.loadgen import BackgroundLoad, Load, summary
from titlebout.spec import TitleboutError

MOST = 60  # requests of an attacker in one bake
PAUSE_SECONDS = 0.02
LONGEST_SECONDS = 600.0
FIRST_LOAD_SECONDS = 8.0
Body = tuple[bytes, dict[str, str]]


def _rows(count: int) -> bytes:
    return json.dumps([{"weight": 2.0, "carrier": "A"}] * count).encode()


def _future() -> dict[str, str]:
    return {"X-Event-Time": (datetime.now(UTC) + timedelta(days=3000)).isoformat()}


ATTACKS: dict[str, Callable[[int], Body]] = {
    "none": lambda _: (b"", {}),
    "D1 a 16 MB key": lambda _: (b'{"' + b"k" * (15 << 20) + b'": 1}', {}),
    "D2 bodies of 15 MB": lambda n: (
        json.dumps([{"weight": 1.0, "carrier": f"{n}" * 800}] * 18_000).encode()[: 15 << 20],
        {},
    ),
    "D3 twelve valid lists of 20,000 rows": lambda _: (_rows(20_000), {}),
    "D3 junk": lambda n: (
        [b"{{{{", b"", b'{"weight": "x"}', b'{"nobody": 1}', b"\xff\xfe", b"[[]]"][n % 6],
        {},
    ),
    "D3 two server errors": lambda n: (b"[" * (970 + n % 8) + b"]" * (970 + n % 8), {}),
    "D4 event times of the future": lambda _: (_rows(1), _future()),
    "rows that overflow": lambda n: (
        json.dumps({"weight": [1e308, -1e308, 1e39][n % 3], "carrier": "A"}).encode(),
        {},
    ),
}
EVERYTHING = "all of these at once"
MOVED = "of the predictions moved"
BROKEN = ("its classes swapped", "nearly always one class")


def main() -> int:
    """Release under each attack, then the broken releases. Return 0 if every outcome is right."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--rate",
        type=float,
        default=100,
        help="requests a second of all other clients together, and the objective's",
    )
    parser.add_argument(
        "--bake", type=float, default=6, help="seconds that each release's bake takes"
    )
    parser.add_argument("--p99", type=float, default=50, help="the service's objective, in ms")
    parser.add_argument(
        "--attack",
        choices=(*ATTACKS, EVERYTHING),
        action="append",
        help="one of these alone; may be repeated",
    )
    parser.add_argument(
        "--healthy", action="store_true", help="leave out the releases that are broken on purpose"
    )
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        release_project = set_up(
            Path(folder),
            model_yaml=MODEL_YAML.format(p99=options.p99, rate=options.rate),
            bake_seconds=options.bake,
        )
        try:
            challenger(release_project, 0)
            release_project.release()
            load = Load(
                f"{release_project.slots.url}/predict",
                rows_of_clients(400),
                rate=options.rate,
                request_id_prefix="others-",
            )
            # The bakes compare by what the first release was asked.
            with BackgroundLoad(load, seconds=FIRST_LOAD_SECONDS):
                time.sleep(FIRST_LOAD_SECONDS)
            for number, attack in enumerate(options.attack or (*ATTACKS, EVERYTHING), start=1):
                found.append(
                    attacked(
                        release_project,
                        attack,
                        rate=options.rate,
                        make=lambda n=number: challenger(release_project, n),
                    )
                )
            for number, broken in enumerate(() if options.healthy else BROKEN, start=100):
                made = attacked(
                    release_project,
                    EVERYTHING,
                    rate=options.rate,
                    make=lambda n=number, b=broken: challenger(release_project, n, broken=b),
                )
                found.append({**made, "broken": broken})
        finally:
            release_project.close()
    print(json.dumps(found, indent=1))
    return (
        0
        if all(
            one["outcome"] == "released" if "broken" not in one else MOVED in one["outcome"]
            for one in found
        )
        else 1
    )


def attacked(
    release_project: Any, attack: str, *, rate: float, make: Callable[[], object]
) -> dict[str, Any]:
    """Release what `make` registers, under the attack and the load of others."""
    make()
    stop, switched = threading.Event(), threading.Event()
    kinds = [ATTACKS[attack]] if attack in ATTACKS else list(ATTACKS.values())[1:]
    lines: list[str] = []

    def progress(line: str) -> None:
        lines.append(line)
        if line.startswith("follow"):
            switched.set()

    load = Load(
        f"{release_project.slots.url}/predict",
        rows_of_clients(400),
        rate=rate,
        request_id_prefix="others-",
    )
    outcome, began = "released", time.monotonic()
    with (
        BackgroundLoad(load, seconds=LONGEST_SECONDS),
        _attackers(release_project.slots.url, kinds, switched, stop) as sent,
    ):
        try:
            release_project.release(progress=progress)
        except TitleboutError as error:
            outcome = error.found
        stop.set()
        switched.set()
    figures = summary(load.answers)
    return {
        "attack": attack,
        "outcome": outcome,
        "requests of the attack": len(sent),
        "others": {name: figures[name] for name in ("sent", "failed", "p50_ms", "p99_ms")},
        "seconds": round(time.monotonic() - began, 1),
        "bake": [line for line in lines if line.startswith("bake")],
    }


@contextmanager
def _attackers(
    url: str, kinds: list[Callable[[int], Body]], moment: threading.Event, stop: threading.Event
) -> Iterator[list[int]]:
    """Run two attackers for each kind; each sends as soon as it was answered."""
    sent: list[int] = []
    threads = [
        threading.Thread(target=_attack, args=(url, kind, moment, stop, sent))
        for kind in kinds
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    try:
        yield sent
    finally:
        stop.set()
        moment.set()
        for thread in threads:
            thread.join()


def _attack(
    url: str,
    kind: Callable[[int], Body],
    moment: threading.Event,
    stop: threading.Event,
    sent: list[int],
) -> None:
    bodies = [kind(number) for number in range(6)]
    moment.wait(LONGEST_SECONDS)
    for number in range(MOST):
        body, headers = bodies[number % len(bodies)]
        if stop.wait(PAUSE_SECONDS) or not (body or headers):
            return
        connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
        with suppress(OSError, HTTPException):
            connection.request("POST", "/predict", body=body, headers=headers)
            sent.append(connection.getresponse().status)
        connection.close()


if __name__ == "__main__":
    raise SystemExit(main())
