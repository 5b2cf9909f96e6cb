"""Switch and roll back N times on a real cluster under an open-loop load.

python benchmarks/switch_kubernetes.py MODEL --env prod [--times 20] [--rate 100] [--by
patch|plugin|titlebout] [--without-drain]

Run it in a project whose model was released twice, on a node of the cluster. For the run the live
Service gets a node port, which the team's quota then allows. Half of the load is on kept-open
connections.

The way back is the `kubectl patch` of docs/rollback.md; with `--by titlebout` or `--by plugin` it
is those commands, Python's start included. The way forward is the switch that a release makes.
After every fourth pair the pods of both slots are replaced, as the next deployment or a node's
drain does it. The drain is for that. Prints JSON.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from titlebout import processes
from titlebout.cluster import merged
from titlebout.loadgen import (
    KINDS,
    BackgroundLoad,
    Load,
    TimedAnswer,
    seconds_to_last_answer,
    summary,
)
from titlebout.release.predeployment import get
from titlebout.rollout import Change
from titlebout.rollout.kubernetes import KubernetesSlots, open_kubernetes_slots
from titlebout.spec import find_project, load_environment, load_model_spec
from titlebout.spec.object_names import LABEL_SLOT, namespace_of

# Twice what both kinds of clients may take, so that each change is seen whole on a busy machine.
SECONDS_BETWEEN = 4.0
PAIRS_BETWEEN_REPLACEMENTS = 4
PORT_SECONDS = 20.0  # until every node knows the port
LONGEST_SECONDS = 3600.0  # the load ends with the last change; this bounds it should one hang


class Moment(NamedTuple):
    """Hold a command: what, its Unix time, the releases that it moves the traffic between."""

    what: str
    began: float
    old: str
    new: str


def main() -> int:
    """Measure with the node port and the chosen drain, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--env", required=True)
    parser.add_argument("--times", type=int, default=20, help="switches, and as many rollbacks")
    parser.add_argument(
        "--rate", type=float, default=100, help="requests per second, all clients together"
    )
    parser.add_argument(
        "--without-drain", action="store_true", help="the broken variant: must show failures"
    )
    parser.add_argument(
        "--oldest",
        type=float,
        default=0.5,
        help="seconds after which a server closes a kept-open connection",
    )
    parser.add_argument(
        "--by", choices=("patch", "plugin", "titlebout"), default="patch", help="what rolls back"
    )
    options = parser.parse_args()
    slots = open_slots(options.model, options.env)
    changed = (
        {"drainSeconds": 0}
        if options.without_drain
        else {"maxConnectionAgeSeconds": options.oldest}
    )
    before = deploy_with(slots, dict.fromkeys(("blue", "green"), changed))
    try:
        allow_node_ports(slots, 1)
        back = ways_back(slots, options.env)[options.by]
        found = measure(slots, back, url=node_port(slots), times=options.times, rate=options.rate)
    finally:
        slots.api.core.patch_namespaced_service(
            slots.model, slots.namespace, {"spec": {"type": "ClusterIP"}}
        )
        allow_node_ports(slots, 0)
        deploy_with(slots, before)
    print(json.dumps(found, indent=1))
    return 0


def open_slots(model: str, environment: str) -> KubernetesSlots:
    """Open the model's slots on the environment's cluster."""
    project = find_project()
    declared = load_environment(project, environment)
    if declared.kubernetes is None:
        raise SystemExit(
            f"{environment}: expected an environment on a cluster; "
            "found no `kubernetes` in environment.yaml"
        )
    namespace = namespace_of(load_model_spec(project, model).owner, environment)
    return open_kubernetes_slots(project, model, declared.kubernetes, namespace=namespace)


def deploy_with(
    slots: KubernetesSlots, changed: dict[Any, dict[str, Any]]
) -> dict[Any, dict[str, Any]]:
    """Deploy both slots' charts with some values changed. Return the values they had."""
    before = {
        slot: slots.helm.values(slots.name(slot), namespace=slots.namespace) or {}
        for slot in changed
    }
    for slot, values in changed.items():
        slots.deploy(slot, merged(before[slot], values))
    return before


def allow_node_ports(slots: KubernetesSlots, count: int) -> None:
    """Let the namespace's quota allow so many node ports; helm/team's has none."""
    slots.api.core.patch_namespaced_resource_quota(
        "team", slots.namespace, {"spec": {"hard": {"services.nodeports": str(count)}}}
    )


def node_port(slots: KubernetesSlots) -> str:
    """Give the live Service a node port for the run. Return its address.

    A switch patches the Service's selector, and leaves its type as it is.
    """
    deadline = time.monotonic() + PORT_SECONDS
    # The API server takes a moment to know the new quota.
    while not set_type(slots, "NodePort") and time.monotonic() < deadline:
        time.sleep(0.5)
    found = slots.api.core.read_namespaced_service(slots.model, slots.namespace)
    url = f"http://127.0.0.1:{found.spec.ports[0].node_port}"
    while not processes.answers(f"{url}/readyz") and time.monotonic() < deadline:
        time.sleep(0.1)
    return url


def set_type(slots: KubernetesSlots, kind: str) -> bool:
    """Tell whether the live Service took the type."""
    from kubernetes.client.exceptions import ApiException

    try:
        slots.api.core.patch_namespaced_service(
            slots.model, slots.namespace, {"spec": {"type": kind}}
        )
    except ApiException:
        return False
    return True


def example(url: str) -> dict[str, Any]:
    """Return a row that the model takes, as its own description gives it."""
    operation = json.loads(get(f"{url}/openapi.json"))["paths"]["/predict"]["post"]
    return dict(operation["requestBody"]["content"]["application/json"]["example"])


def ways_back(slots: KubernetesSlots, environment: str) -> dict[str, Callable[[], list[str]]]:
    """Return each way's command, made when it is called."""
    beside = Path(sys.executable).parent
    namespace = ("--namespace", slots.namespace)
    return {
        "patch": lambda: [
            "kubectl",
            *namespace,
            "patch",
            "service",
            slots.model,
            "--patch",
            json.dumps(to_slot(slots.other())),
        ],
        "plugin": lambda: [str(beside / "kubectl-titlebout"), "rollback", slots.model, *namespace],
        "titlebout": lambda: [
            str(beside / "titlebout"),
            "rollback",
            slots.model,
            "--env",
            environment,
            "--reason",
            "benchmark",
        ],
    }


def to_slot(slot: str) -> dict[str, Any]:
    """Return the patch that sends the traffic to the slot."""
    return {"spec": {"selector": {LABEL_SLOT: slot}}}


def measure(
    slots: KubernetesSlots, back: Callable[[], list[str]], *, url: str, times: int, rate: float
) -> dict[str, object]:
    """Switch and roll back under load. Return the figures."""
    load = Load(f"{url}/predict", bodies=[example(url)], rate=rate, request_id_prefix="bench-")
    moments = []
    with BackgroundLoad(load, seconds=LONGEST_SECONDS):
        time.sleep(SECONDS_BETWEEN)
        if live(slots).kind == "rolled_back":  # from where a rollback is no move
            go(slots, back, "switch")
            time.sleep(SECONDS_BETWEEN)
        for pair in range(times):
            for what in ("rollback", "switch"):
                moments.append(go(slots, back, what))
                time.sleep(SECONDS_BETWEEN)
            if pair % PAIRS_BETWEEN_REPLACEMENTS == 0:
                replace_pods(slots)
    found = summary(load.answers)
    return {
        **{name: found[name] for name in ("sent", "failed", "statuses", "p50_ms", "p99_ms")},
        "wrong_release": sum(
            not came_right(load.answers, moment, end)
            for moment, end in zip(moments, ends(moments, load.answers), strict=True)
        ),
        **{what: distribution(load.answers, moments, what) for what in ("switch", "rollback")},
    }


def go(slots: KubernetesSlots, back: Callable[[], list[str]], what: str) -> Moment:
    """Switch or roll back once."""
    before, command, began = live(slots), back(), time.time()
    if what == "rollback":
        run(*command)
    else:
        change = slots.switch(
            slots.other(),
            kind="switched",
            by="benchmark",
            reason="switch again",
            evidence={},
            after=before.number,
        )
        # Settled, so that no next release continues its bake.
        slots.settle(change, by="benchmark", reason="switch again")
    return Moment(what, began, before.release, live(slots).release)


def live(slots: KubernetesSlots) -> Change:
    """Return what is live."""
    found = slots.live()
    if found is None:
        raise SystemExit(f"{slots}: expected two releases; found none")
    return found


def run(*command: str) -> None:
    """Run the command."""
    subprocess.run(command, check=True, capture_output=True)


def replace_pods(slots: KubernetesSlots) -> None:
    """Replace both slots' pods.

    The idle slot's are replaced as by the next deployment, the live slot's as on a node that is
    emptied.
    """
    for deployment in (f"deployment/{slots.name(slot)}" for slot in ("blue", "green")):
        run("kubectl", "--namespace", slots.namespace, "rollout", "restart", deployment)
        run(
            "kubectl",
            "--namespace",
            slots.namespace,
            "rollout",
            "status",
            deployment,
            "--timeout=180s",
        )


def came_right(answers: list[TimedAnswer], moment: Moment, end: float) -> bool:
    """Tell whether only the wanted release answered in the last second before the next command."""
    last = {answer.release for answer in answers if answer.ok and end - 1.0 < answer.due < end}
    return last == {moment.new} and moment.new != moment.old


def ends(moments: list[Moment], answers: list[TimedAnswer]) -> list[float]:
    """Return when each next command began, or the load ended."""
    return [*(moment.began for moment in moments[1:]), max(answer.due for answer in answers)]


def distribution(
    answers: list[TimedAnswer], moments: list[Moment], what: str
) -> dict[str, dict[str, float]]:
    """Return the seconds from the command to the old slot's last answer, per kind of client.

    Answers after the next command do not count.
    """
    late = [
        seconds_to_last_answer(
            [answer for answer in answers if answer.due < end],
            since=moment.began,
            release=moment.old,
        )
        for moment, end in zip(moments, ends(moments, answers), strict=True)
        if moment.what == what
    ]
    return {kind: spread([seconds[kind] for seconds in late]) for kind in KINDS}


def spread(seconds: list[float]) -> dict[str, float]:
    """Return least, median, 95th percentile and most seconds."""
    ordered = sorted(seconds)
    p95 = ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
    found = {
        "min_s": ordered[0],
        "median_s": statistics.median(ordered),
        "p95_s": p95,
        "max_s": ordered[-1],
    }
    return {name: round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    raise SystemExit(main())
