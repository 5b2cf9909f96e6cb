"""Switch and roll back N times under an open-loop load, half of its clients with kept-open connections; what did they see?

    python benchmarks/switch.py [--times 20] [--rate 100]

Two slots run a small HTTP server behind the real Caddy; the switch is `Slots.switch`, the way back is the command's own `rollback`.
Prints JSON: requests sent and failed, and seconds from the command to the last answer of the old slot, per kind of client.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parents[1] / "tests" / "release")]

from house import House  # noqa: E402 (found through the path set above)

from titlebout.release.load import KINDS, BackgroundLoad, Load, seconds_to_last_answer, summary  # noqa: E402

SECONDS_BETWEEN = 1.0  # long enough for every kept-open client to be heard between two changes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="switches, and as many rollbacks")
    parser.add_argument("--rate", type=float, default=100, help="requests per second, all clients together")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder)).build()
        try:
            house.released("a")
            house.released("b")
            print(json.dumps(measure(house, times=options.times, rate=options.rate), indent=1))
        finally:
            house.close()
    return 0


def measure(house: House, *, times: int, rate: float) -> dict[str, object]:
    load = Load(f"{house.slots.url}/predict", bodies=[{"x": 1.0}], rate=rate, request_id_prefix="bench-")
    moments = {"switch": [], "rollback": []}
    with BackgroundLoad(load, seconds=(2 * times + 2) * (SECONDS_BETWEEN + 1)):
        for _ in range(times):
            time.sleep(SECONDS_BETWEEN)
            moments["rollback"].append(go(house, "rollback"))
            time.sleep(SECONDS_BETWEEN)
            moments["switch"].append(go(house, "switch"))
        time.sleep(SECONDS_BETWEEN)
    found = summary(load.answers)
    return {
        **{name: found[name] for name in ("sent", "failed", "statuses", "p50_ms", "p99_ms")},
        **{what: distribution(load, happened) for what, happened in moments.items()},
    }


def go(house: House, what: str) -> tuple[float, str]:
    """The Unix time of the command, and the release that it takes the traffic from."""
    slots, began = house.slots, time.time()
    live = slots.live()
    if what == "rollback":
        house.rollback()
    else:
        slots.switch(slots.other(), kind="switched", by="benchmark", reason="forth", evidence={}, after=live.number)
    return began, live.release


def distribution(load: Load, happened: list[tuple[float, str]]) -> dict[str, dict[str, float]]:
    """Milliseconds from the command to the old slot's last answer before the next change, per kind of client."""
    out = {}
    for kind in KINDS:
        late = []
        for began, old in happened:
            window = [answer for answer in load.answers if answer.due < began + SECONDS_BETWEEN]
            late.append(1000 * seconds_to_last_answer(window, since=began, release=old)[kind])
        out[kind] = {"median_ms": round(statistics.median(late), 1), "worst_ms": round(max(late), 1)}
    return out


if __name__ == "__main__":
    raise SystemExit(main())
