"""Time `titlebout team apply` from nothing to a team's three MLflow servers ready.

python benchmarks/team_ready.py TEAM [--rest-seconds 60]

It also measures the memory of all pods at rest. Run it in a project whose clusters have the images
and no namespace of the team's. Prints JSON; `titlebout team remove` removes it all.
"""

import argparse
import getpass
import json
import os
import sys
import time
from typing import Any

from titlebout.spec import ClusterError, find_project
from titlebout.team import apply_team
from titlebout.team.team_namespace import TeamNamespace, open_team_namespaces

# Longer than what the servers do after their start, and four of the metrics API's windows.
REST_SECONDS = 60.0
METRICS_API = ("metrics.k8s.io", "v1beta1")
MEBIBYTE_UNITS = {"Ki": 1 / 1024, "Mi": 1.0, "Gi": 1024.0}


def main() -> int:
    """Apply the team, wait, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("team")
    parser.add_argument(
        "--rest-seconds", type=float, default=REST_SECONDS, help="from ready to reading the memory"
    )
    options = parser.parse_args()
    project = find_project()
    namespaces = open_team_namespaces(project, options.team)
    require_nothing(namespaces)
    load_before = os.getloadavg()[0]
    began = time.monotonic()
    steps = apply_team(
        project,
        options.team,
        by=getpass.getuser(),
        progress=lambda line: print(f"{time.monotonic() - began:6.1f} s  {line}", file=sys.stderr),
    )
    seconds = round(time.monotonic() - began, 1)
    time.sleep(options.rest_seconds)
    memory = {one.namespace: memory_mebibytes(one) for one in namespaces}
    found = {
        "seconds": seconds,
        "load_before": round(load_before, 2),
        "steps": [step.model_dump(mode="json") for step in steps],
        "memory_mebibytes": memory,
        "memory_mebibytes_together": round(sum(sum(pods.values()) for pods in memory.values())),
    }
    print(json.dumps(found, indent=1))
    return 0


def require_nothing(namespaces: list[TeamNamespace]) -> None:
    """Raise ClusterError if a namespace is there: what is found ready took no time."""
    for one in namespaces:
        if one.api.find(one.api.core.read_namespace, one.namespace) is not None:
            raise ClusterError(
                f"namespace {one.namespace}",
                expected="no namespace, so that everything is made",
                found="one",
                next_step="name a team that has nothing yet, or run `titlebout team remove`",
            )


def memory_mebibytes(namespace: TeamNamespace) -> dict[str, float]:
    """Return each pod's working set, as the metrics API tells it."""
    group, version = METRICS_API
    found: dict[str, Any] = namespace.api.custom.list_namespaced_custom_object(
        group, version, namespace.namespace, "pods"
    )
    return {
        pod["metadata"]["name"]: round(
            sum(mebibytes(container["usage"]["memory"]) for container in pod["containers"]), 1
        )
        for pod in found["items"]
    }


def mebibytes(quantity: str) -> float:
    """Return the quantity in MiB."""
    return float(quantity[:-2]) * MEBIBYTE_UNITS[quantity[-2:]]


if __name__ == "__main__":
    sys.exit(main())
