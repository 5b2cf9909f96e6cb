"""Switch and roll back N times under an open-loop load, and print what the clients saw.

python benchmarks/switch.py [--times 20] [--rate 100]

Half of the clients keep their connections open. Two slots run a small HTTP server behind the real
Caddy. The switch is `Slots.switch`, as the release transaction calls it. The way back is the
command `titlebout rollback` in a process of its own, Python's start included.

Prints JSON: requests sent and failed, and seconds from the command to the last answer of the old
slot, per kind of client.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from support.release_project import ENVIRONMENT, MODEL, ReleaseProject  # noqa: E402 (found through the path set above)

from titlebout.loadgen import KINDS, BackgroundLoad, Load, seconds_to_last_answer, summary  # noqa: E402

SECONDS_BETWEEN = 1.0  # every kept-open client asks several times between two changes
LONGEST_SECONDS = 1800.0  # the load ends with the last change; this bounds it should one hang


def main() -> int:
    """Release twice, measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="switches, and as many rollbacks")
    parser.add_argument(
        "--rate", type=float, default=100, help="requests per second, all clients together"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        release_project = ReleaseProject(Path(folder)).build()
        try:
            release_project.released("a")
            release_project.released("b")
            print(
                json.dumps(
                    measure(release_project, times=options.times, rate=options.rate), indent=1
                )
            )
        finally:
            release_project.close()
    return 0


class Moment(NamedTuple):
    """Hold a command: what, its Unix time, and the release that it takes the traffic from."""

    what: str
    began: float
    old: str


def measure(release_project: ReleaseProject, *, times: int, rate: float) -> dict[str, object]:
    """Switch and roll back under load. Return the figures."""
    load = Load(
        f"{release_project.slots.url}/predict",
        bodies=[{"x": 1.0}],
        rate=rate,
        request_id_prefix="bench-",
    )
    moments = []
    with BackgroundLoad(load, seconds=LONGEST_SECONDS):
        for _ in range(times):
            for what in ("rollback", "switch"):
                time.sleep(SECONDS_BETWEEN)
                moments.append(go(release_project, what))
        time.sleep(SECONDS_BETWEEN)
    found = summary(load.answers)
    return {
        **{name: found[name] for name in ("sent", "failed", "statuses", "p50_ms", "p99_ms")},
        **{what: distribution(load, moments, what) for what in ("switch", "rollback")},
    }


def go(release_project: ReleaseProject, what: str) -> Moment:
    """Switch or roll back once."""
    slots, began = release_project.slots, time.time()
    live = slots.live()
    if what == "rollback":
        command = [
            Path(sys.executable).with_name("titlebout"),
            "rollback",
            MODEL,
            "--env",
            ENVIRONMENT,
            "--reason",
            "benchmark",
        ]
        subprocess.run(
            command,
            env={**os.environ, "TITLEBOUT_PROJECT": str(release_project.project)},
            check=True,
            capture_output=True,
        )
    else:
        slots.switch(
            slots.other(),
            kind="switched",
            by="benchmark",
            reason="switch again",
            evidence={},
            after=live.number,
        )
    return Moment(what, began, live.release)


def distribution(load: Load, moments: list[Moment], what: str) -> dict[str, dict[str, float]]:
    """Return the seconds from the command to the old slot's last answer, per kind of client.

    Answers after the next command do not count.
    """
    ends = [*(moment.began for moment in moments[1:]), float("inf")]
    late = [
        seconds_to_last_answer(
            [answer for answer in load.answers if answer.due < end],
            since=moment.began,
            release=moment.old,
        )
        for moment, end in zip(moments, ends, strict=True)
        if moment.what == what
    ]
    return {kind: _spread([seconds[kind] for seconds in late]) for kind in KINDS}


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"median_s": round(statistics.median(seconds), 3), "worst_s": round(max(seconds), 3)}


if __name__ == "__main__":
    raise SystemExit(main())
