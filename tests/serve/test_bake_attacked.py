"""Bake two real servers while one client attacks and others send at a constant rate.

A healthy release stays, and a broken one is rolled back.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from support.bento_process import Server, serving

from titlebout.loadgen import BackgroundLoad, Load
from titlebout.release.bake import Bake, watch
from titlebout.release.baseline import Baseline
from titlebout.release.predeployment import example_at
from titlebout.release.prediction_shift import Shift
from titlebout.spec import Release, SlotAddress

# requests a second of others: what a machine that is busy with other tests can serve;
# benchmarks/attack_bake.py sends 100
RATE = 20.0
# a machine that is busy with other tests must not look like a slow release
BAKE_SECONDS, P99_MS = (4.0, 2500.0)
MOST = 12  # requests of one attacker


class Slots(NamedTuple):
    """Hold an old server, with its clients' rows in its inference table, and a new one."""

    old: Server
    new: Server
    release: str
    rows: list[dict[str, Any]]
    storage: Path

    def bake(self) -> Bake:
        """Return the bake of the new server beside the old one."""
        old, new = self.address(self.old, "old"), self.address(self.new, "new")
        shift = Shift(
            model="flights",
            before=self.release_of(self.old),
            storage=str(self.storage),
            old=old,
            new=new,
            allowed=0.3,
        )
        servers = {"new": new.url}
        servers_asked = {
            "servers": servers,
            "before": Baseline(new=dict.fromkeys(servers)),
            "new": new,
            "old": old,
            "shift": shift,
        }
        return Bake(
            url=new.url,
            release=self.release,
            row=self.rows[0],
            seconds=BAKE_SECONDS,
            p99_ms=P99_MS,
            **servers_asked,
        )

    @staticmethod
    def address(server: Server, secret: str) -> SlotAddress:
        """Return the server's address with its secret."""
        return SlotAddress(url=f"http://127.0.0.1:{server.port}", secret=secret)

    @staticmethod
    def release_of(server: Server) -> str:
        """Return the id of the release that the server serves."""
        return str(server.ask("GET", "/release")[1]["release"])


@contextlib.contextmanager
def slots(bento: Path, old: Release, new: Release, folder: Path) -> Iterator[Slots]:
    """Start both servers; the old one has answered clients, and its table is on disk."""
    with (
        serving(bento, new, folder / "new", secret="new") as new_server,
        serving(bento, old, folder / "old", secret="old") as old_server,
    ):
        example = example_at(f"http://127.0.0.1:{old_server.port}")
        assert example is not None
        number = next(name for name, value in example.items() if isinstance(value, float))
        rows = [
            {**example, number: float(value)}
            for value in np.random.default_rng(0).normal(0, 3, 200).round(3)
        ]
        assert old_server.ask("POST", "/predict", json.dumps(rows).encode())[0] == 200
        link = folder / "storage" / "inference" / "flights"
        link.parent.mkdir(parents=True)
        link.symlink_to(old_server.inference)
        for _ in range(400):
            if any(old_server.inference.glob("*/*.parquet")):
                break
            threading.Event().wait(0.1)
        yield Slots(old_server, new_server, new.id, rows, folder / "storage")


def attack_bodies(rows: list[dict[str, Any]]) -> dict[str, list[tuple[bytes, dict[str, str]]]]:
    """Return the bodies of each kind of attack."""
    future = (datetime.now(UTC) + timedelta(days=3000)).isoformat()
    return {
        "a 15 MB key": [(b'{"' + b"k" * (15 << 20) + b'": 1}', {})],
        "lists of 20,000 rows": [(json.dumps(rows * 100).encode(), {})],
        "junk": [
            (body, {})
            for body in (b"{{", b"", b"[[]]", b'{"nobody": 1}', b"\xff", b"[" * 972 + b"]" * 972)
        ],
        "the future": [(json.dumps(rows[0]).encode(), {"X-Event-Time": future})],
        "overflow": [
            (
                json.dumps(
                    {
                        name: 1e308 if isinstance(value, float) else value
                        for name, value in rows[0].items()
                    }
                ).encode(),
                {},
            )
        ],
    }


@contextlib.contextmanager
def attackers(port: int, kinds: dict[str, list[tuple[bytes, dict[str, str]]]]) -> Iterator[None]:
    """Run one attacker of each kind.

    Each sends as soon as it was answered, and at most `MOST` times.
    """
    stop = threading.Event()

    def attack(sent: list[tuple[bytes, dict[str, str]]]) -> None:
        for number in range(MOST):
            body, headers = sent[number % len(sent)]
            if stop.is_set():
                return
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            with contextlib.suppress(OSError, HTTPException):
                connection.request("POST", "/predict", body, headers)
                connection.getresponse().read()
            connection.close()

    threads = [threading.Thread(target=attack, args=(kind,)) for kind in kinds.values()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("broken", [False, True], ids=["healthy", "broken"])
def test_attacks_send_no_healthy_release_back_and_hide_no_broken_one(
    bento, release, tmp_path, broken
):
    """Attacks neither fail a healthy release nor hide a broken one.

    All attack at once, and others send at a constant rate. The broken release predicts one class
    for every row.
    """
    new = release.model_copy(update={"verdict": "w", **({"threshold": 1.5} if broken else {})})
    messages: list[str] = []
    with slots(bento, release, new, tmp_path) as found:
        load = Load(
            f"http://127.0.0.1:{found.new.port}/predict",
            found.rows,
            rate=RATE,
            request_id_prefix="others-",
        )
        with (
            BackgroundLoad(load, seconds=120),
            attackers(found.new.port, attack_bodies(found.rows)),
        ):
            fault = watch(found.bake(), is_live=lambda: True, progress=messages.append)
    assert len(load.answers) > 0
    if broken:
        assert fault is not None
        assert "of the predictions moved" in fault
    else:
        assert fault is None, (fault, messages)
    assert any("rows from clients" in line and "moved" in line for line in messages), messages
