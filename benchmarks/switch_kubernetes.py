"""Switch and roll back N times on a real cluster under an open-loop load, half of it on kept-open connections; what did the clients see?

    KUBECONFIG=… TITLEBOUT_PLATFORM_IMAGE=… TITLEBOUT_TEST_SERVING_IMAGE=… \
        python benchmarks/switch_kubernetes.py [--times 20] [--rate 100] [--without-drain]

The way back is `titlebout rollback` in a process of its own, Python's start included; the way forth is the switch that a release makes.
After each, the pods of both slots are replaced, as the next deployment or a node's drain does it: that is what preStop is for. The
load goes through the live Service itself, which is given a node port for the run. Prints JSON; needs a node port on 127.0.0.1.
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

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "cluster")]

from cluster_house import ENVIRONMENT, MODEL, ClusterHouse, kubectl  # noqa: E402 (found through the path set above)

from titlebout.release.load import KINDS, Answer, BackgroundLoad, Load, seconds_to_last_answer, summary  # noqa: E402

SECONDS_BETWEEN = 2.5  # longer than both kinds of clients may take, so that each change is seen whole
LONGEST_SECONDS = 1800.0  # the load ends with the last change; this bounds it should one hang
SERVING_IMAGE_VARIABLE = "TITLEBOUT_TEST_SERVING_IMAGE"


class Moment(NamedTuple):
    """A command: what, its Unix time, and the releases that it takes the traffic from and to."""

    what: str
    began: float
    old: str
    new: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="switches, and as many rollbacks")
    parser.add_argument("--rate", type=float, default=100, help="requests per second, all clients together")
    parser.add_argument("--without-drain", action="store_true", help="the broken variant: must show failures")
    parser.add_argument("--oldest", type=float, default=None, help="seconds after which a server closes a kept-open connection")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        house = ClusterHouse(Path(folder), serving_image=os.environ[SERVING_IMAGE_VARIABLE]).build()
        house.clear()
        try:
            house.released("a")
            house.released("b")
            if options.without_drain:
                deploy_with(house, drainSeconds=0)
            if options.oldest is not None:
                deploy_with(house, oldestConnectionSeconds=options.oldest)
            print(json.dumps(measure(house, times=options.times, rate=options.rate), indent=1))
        finally:
            house.clear()
    return 0


def deploy_with(house: ClusterHouse, **changed: float) -> None:
    for slot in ("blue", "green"):
        values = house.slots.helm.values(f"{MODEL}-{slot}", namespace=house.slots.namespace)
        house.slots.deploy(slot, {**values, **changed})


def measure(house: ClusterHouse, *, times: int, rate: float) -> dict[str, object]:
    load = Load(f"http://127.0.0.1:{node_port()}/predict", bodies=[{"x": 1.0}], rate=rate, request_id_prefix="bench-")
    moments = []
    with BackgroundLoad(load, seconds=LONGEST_SECONDS):
        time.sleep(SECONDS_BETWEEN)
        for _ in range(times):
            for what in ("rollback", "switch"):
                moments.append(go(house, what))
                time.sleep(SECONDS_BETWEEN)
                replace_pods()
    found = summary(load.answers)
    return {
        **{name: found[name] for name in ("sent", "failed", "statuses", "p50_ms", "p99_ms")},
        "wrong_release": sum(
            not came_right(load.answers, moment, end) for moment, end in zip(moments, ends(moments, load.answers), strict=True)
        ),
        **{what: distribution(load.answers, moments, what) for what in ("switch", "rollback")},
    }


def node_port() -> int:
    """Of the live Service; the switch patches its selector, and leaves its type as it is."""
    kubectl("patch", "service", MODEL, "--patch", '{"spec": {"type": "NodePort"}}')
    return int(kubectl("get", "service", MODEL, "-o", "jsonpath={.spec.ports[0].nodePort}"))


def go(house: ClusterHouse, what: str) -> Moment:
    slots, before = house.slots, house.slots.live()
    began = time.time()
    if what == "rollback":
        command = [Path(sys.executable).with_name("titlebout"), "rollback", MODEL, "--env", ENVIRONMENT, "--reason", "benchmark"]
        variables = {**os.environ, "TITLEBOUT_PROJECT": str(house.project)}
        subprocess.run(command, env=variables, check=True, capture_output=True)
        return Moment(what, began, before.release, slots.live().release)
    change = slots.switch(slots.other(), kind="switched", by="benchmark", reason="forth", evidence={}, after=before.number)
    return Moment(what, began, before.release, change.release)


def replace_pods() -> None:
    """Of both slots: the idle one's as the next deployment does it, the live one's as a node that is emptied does."""
    for deployment in (f"deployment/{MODEL}-{slot}" for slot in ("blue", "green")):
        kubectl("rollout", "restart", deployment)
        kubectl("rollout", "status", deployment, "--timeout=120s")


def came_right(answers: list[Answer], moment: Moment, end: float) -> bool:
    """Whether the release that was asked for, and no other, answered in the last second before the next command."""
    last = {answer.release for answer in answers if answer.ok and end - 1.0 < answer.due < end}
    return last == {moment.new} and moment.new != moment.old


def ends(moments: list[Moment], answers: list[Answer]) -> list[float]:
    """When the next command began, or the load ended."""
    return [*(moment.began for moment in moments[1:]), max(answer.due for answer in answers)]


def distribution(answers: list[Answer], moments: list[Moment], what: str) -> dict[str, dict[str, float]]:
    """Seconds from the command to the old slot's last answer before the next command, per kind of client."""
    late = [
        seconds_to_last_answer([answer for answer in answers if answer.due < end], since=moment.began, release=moment.old)
        for moment, end in zip(moments, ends(moments, answers), strict=True)
        if moment.what == what
    ]
    return {kind: spread([seconds[kind] for seconds in late]) for kind in KINDS}


def spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p95 = ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
    found = {"min_s": ordered[0], "median_s": statistics.median(ordered), "p95_s": p95, "max_s": ordered[-1]}
    return {name: round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    raise SystemExit(main())
