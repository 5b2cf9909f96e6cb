"""Measure what clients see of switches and rollbacks under load, and roll back as on-call."""

import json
import subprocess
import sys

import pytest
from cluster.conftest import REPOSITORY
from cluster.test_loop import (
    FOLLOWS_SECONDS,
    eventually,
    history,
    is_followed,
    live_release,
    live_slot,
    switch_to_other_slot,
)
from support.company_fork import MODEL
from support.two_teams import kubectl

BENCHMARK = REPOSITORY / "benchmarks" / "switch_kubernetes.py"
# Enough that a slot without drain drops requests; the benchmark measures the speed.
LIGHT_LOAD = ("--times", "2", "--rate", "50")


@pytest.mark.parametrize("way", ["patch", "plugin", "titlebout"])
def test_switches_and_rollbacks_lose_nothing(released_twice, installed_fork, way):
    """No client loses a request, and each change brings the right release.

    Clients keep their connections or open fresh ones, also while all pods are replaced.
    """
    found = run_benchmark(installed_fork, "--by", way)
    assert (found["failed"], found["wrong_release"]) == (0, 0), found
    assert found["sent"] > 500


def test_without_the_drain_requests_are_lost(released_twice, installed_fork):
    """Show that requests are lost without the drain."""
    assert run_benchmark(installed_fork, "--without-drain")["failed"] > 0


def test_on_call_looks_rolls_back_and_looks_again(released_twice, on_call):
    """On-call's rights are enough to look and roll back; a second rollback does nothing."""
    before = switch_to_other_slot(released_twice)
    entries = len(history(released_twice))
    assert f"{live_slot(released_twice)}" in line_of("live", on_call("status"))
    assert "switchable" in on_call("status")
    assert "has the traffic" in on_call("rollback")
    eventually(lambda: live_release(released_twice) == before)
    assert "rolled back already" in on_call("rollback")
    eventually(
        lambda: is_followed(released_twice) and len(history(released_twice)) == entries + 1,
        seconds=FOLLOWS_SECONDS,
    )
    assert f"rolled_back {before[:12]}" in " ".join(on_call("history").splitlines()[-1].split())


@pytest.fixture
def on_call(released_twice, tmp_path):
    """Return a function that runs `kubectl titlebout COMMAND MODEL` as a member of on-call."""
    config = json.loads(
        kubectl("config", "view", "--raw", "--minify", "--flatten", "--output", "json")
    )
    config["users"][0]["user"] |= {
        "as": "night@example.com",
        "as-groups": [f"{released_twice.team}:on-call", "system:authenticated"],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))

    def run(command: str) -> str:
        plugin = [
            "kubectl",
            "titlebout",
            command,
            MODEL,
            "--namespace",
            released_twice.namespace("prod"),
        ]
        done = subprocess.run(
            plugin,
            env={**released_twice.variables, "KUBECONFIG": str(path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def run_benchmark(fork, *arguments: str) -> dict:
    """Run the benchmark with a light load, and return its figures."""
    command = [sys.executable, str(BENCHMARK), MODEL, "--env", "prod", *LIGHT_LOAD, *arguments]
    done = subprocess.run(command, env=fork.variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def line_of(key: str, text: str) -> str:
    """Return the line of the text that has the key."""
    return next(line for line in text.splitlines() if f" {key} " in line)
