"""Kill database, MLflow, registrar and serving pods at once, at each step of a release."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster.test_loop import MODEL, ask_registrar, eventually, history, is_followed, live_release
from support.company_fork import Fork
from support.two_teams import kubectl

from titlebout.cluster import reach
from titlebout.registry import Registry
from titlebout.spec import load_environment

# A dozen releases; all parts are killed once in each.
pytestmark = pytest.mark.timeout(3600)
PARTS = "titlebout.io/part in (database,mlflow,registrar,serving)"
STEPS = (
    "reconcile",
    "challenger",
    "package",
    "record",
    "deploy",
    "ready",
    "test",
    "allow",
    "switch",
    "follow",
    "bake",
    "settle",
)
BACK_SECONDS = 180.0  # the database, MLflow on it, the registrar on both, on two cores
RELEASE = ("release", MODEL, "--env", "prod", "--override", "they take turns")
# How a release ends, whatever was killed: it took the traffic, or its bake sent the traffic back.
ENDS = {
    ("overridden", "switched", "settled"),
    ("overridden", "switched", "rolled_back"),
}


@pytest.fixture(scope="module")
def third_version(released_twice: Fork) -> Fork:
    """Train a third version: one is always left that is neither live nor was just rolled back."""
    released_twice.retune(iterations=50)
    released_twice.run("train", MODEL, "--env", "prod")
    return released_twice


def test_killed_at_every_step_the_records_agree_with_the_traffic(third_version):
    """Traffic, ledger and alias agree in the end, and the ledger has one change."""
    reached = set()
    for step in STEPS:
        set_challenger(third_version)
        entries = len(history(third_version))
        if release_and_kill_at(third_version, step):
            reached.add(step)
        release_until_it_ends(third_version)
        eventually(lambda: is_followed(third_version), seconds=BACK_SECONDS)
        kinds = tuple(entry["kind"] for entry in history(third_version)[entries:])
        assert kinds in ENDS, f"killed at {step}: {kinds}"
        assert third_version.run("verify", "--env", "prod").returncode == 0
        assert ask_registrar(third_version, "status")["problems"] == {}
        assert history(third_version)[-1]["to_release"] == live_release(third_version)
    assert set(STEPS) - reached <= {"follow", "settle"}, (
        "these two may be over before they are noticed"
    )


def set_challenger(fork: Fork) -> None:
    """Make a version the Challenger that is not live and was not just rolled back.

    First wait for what was killed before.
    """
    eventually(lambda: all_ready(fork), seconds=BACK_SECONDS)
    last = history(fork)[-1]
    releases = {last["to_release"], last["from_release"] if last["kind"] == "rolled_back" else ""}
    with open_registry(fork) as versions:
        # By digest: the same model trained again is no other model.
        recently_live = {
            one.digest for one in all_versions(versions) if one.tags.get("release") in releases
        }
        versions.set_alias(
            MODEL,
            "challenger",
            next(one for one in all_versions(versions) if one.digest not in recently_live),
        )


@contextmanager
def open_registry(fork: Fork) -> Iterator[Registry]:
    """Connect to the registry of prod."""
    with reach(load_environment(fork.project, "prod"), team=fork.team) as environment:
        yield Registry.connect(fork.project, environment)


def all_versions(versions: Registry) -> Iterator:
    """Yield all versions of the model."""
    number = 1
    while (found := versions.find(MODEL, version=str(number))) is not None:
        yield found
        number += 1


def all_ready(fork: Fork) -> bool:
    """Return whether every Deployment and StatefulSet has all its pods ready."""
    wait_until_ready = "jsonpath={range .items[*]}{.status.readyReplicas}/{.spec.replicas} {end}"
    found = kubectl(
        "get", "deployments,statefulsets", "-n", fork.namespace("prod"), "-o", wait_until_ready
    ).split()
    return all(len(set(counts.split("/"))) == 1 for counts in found)


def release_and_kill_at(fork: Fork, step: str) -> bool:
    """Run a release, and kill all parts when the step begins. Return whether it began."""
    command = [str(Path(sys.executable).with_name("titlebout")), *RELEASE]
    process = subprocess.Popen(
        command, env=fork.variables, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    killed = False
    assert process.stderr is not None
    for line in process.stderr:
        if f" s  {step}" in line and not killed:
            killed = True
            kubectl(
                "delete",
                "pod",
                "--grace-period=0",
                "--force",
                "--wait=false",
                "--selector",
                PARTS,
                "-n",
                fork.namespace("prod"),
            )
    process.wait()
    return killed


def release_until_it_ends(fork: Fork) -> None:
    """Release again until it is done, or was rolled back, as a person would."""
    deadline = time.monotonic() + BACK_SECONDS
    while True:
        done = fork.attempt(*RELEASE)
        if done.returncode == 0 or "was rolled back" in done.stderr:
            return
        assert time.monotonic() < deadline, done.stderr
        time.sleep(5)
