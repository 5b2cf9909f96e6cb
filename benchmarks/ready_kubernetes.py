"""Measure the seconds from a new pod's start to Ready, and the most memory that it has held.

python benchmarks/ready_kubernetes.py DEPLOYMENT --namespace NAMESPACE [--restarts 5]

The pods of a served slot are replaced one after the other, as a deployment does it. The cluster
tells both times to the second. So a single difference may be off by one; the mean is not. Prints
JSON.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
from datetime import datetime
from typing import Any

HIGH_WATER = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def main() -> None:
    """Restart the Deployment so many times, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("deployment")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--restarts", type=int, default=5)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    found = [
        one
        for _ in range(options.restarts)
        for one in restarted(options.deployment, options.namespace)
    ]
    seconds, peaks = sorted(one["ready"] for one in found), [one["peak"] for one in found]
    print(
        json.dumps(
            {
                "ready_seconds": seconds,
                "mean_seconds": round(statistics.mean(seconds), 2),
                "peak_mib": {"median": statistics.median(peaks), "most": max(peaks)},
                "load_average": {"before": load, "after": os.getloadavg()[0]},
            },
            indent=1,
        )
    )


def restarted(deployment: str, namespace: str) -> list[dict[str, float]]:
    """Replace every pod. Return what is known of each new one."""
    kubectl(namespace, "rollout", "restart", f"deployment/{deployment}")
    kubectl(namespace, "rollout", "status", f"deployment/{deployment}", "--timeout=300s")
    wanted = json.loads(kubectl(namespace, "get", "deployment", deployment, "-o", "json"))["spec"][
        "selector"
    ]["matchLabels"]
    selector = ",".join(f"{name}={value}" for name, value in wanted.items())
    pods = json.loads(kubectl(namespace, "get", "pods", "-l", selector, "-o", "json"))["items"]
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return [
        {"ready": ready_seconds(pod), "peak": peak_mib(namespace, pod["metadata"]["name"])}
        for pod in staying
    ]


def ready_seconds(pod: dict[str, Any]) -> float:
    """Return the seconds from the container's start to Ready."""
    started = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    ready = next(
        one["lastTransitionTime"] for one in pod["status"]["conditions"] if one["type"] == "Ready"
    )
    return (datetime.fromisoformat(ready) - datetime.fromisoformat(started)).total_seconds()


def peak_mib(namespace: str, pod: str) -> int:
    """Return the most memory of the server, the container's first process, in MiB."""
    status = kubectl(namespace, "exec", pod, "--", "cat", "/proc/1/status")
    return int(HIGH_WATER.findall(status)[0]) // 1024


def kubectl(namespace: str, *arguments: str) -> str:
    """Run kubectl in the namespace. Return its standard output."""
    return subprocess.run(
        ["kubectl", "--namespace", namespace, *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


if __name__ == "__main__":
    main()
