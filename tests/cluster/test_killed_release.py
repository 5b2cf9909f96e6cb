"""Kill a releasing process at any step; run again, it ends as an undisturbed one does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster.test_killed_parts import STEPS
from cluster.test_loop import MODEL, ask_registrar, eventually, history, is_followed, live_release

RELEASE = ("release", MODEL, "--env", "prod", "--override", "the third must only differ")


@pytest.fixture(scope="module")
def third_version(released_twice):
    """Train a third version, which nothing has released yet."""
    released_twice.retune(iterations=40)
    released_twice.run("train", MODEL, "--env", "prod")
    return released_twice


def test_killed_at_every_step_it_ends_the_same(third_version):
    """Each next run continues, and in the end the ledger has one change.

    Clients see the old release or the new one.
    """
    before, entries = live_release(third_version), len(history(third_version))
    reached = [step for step in STEPS if kill_release_at(third_version, step)]
    third_version.run(*RELEASE)
    after = live_release(third_version)
    assert after != before
    eventually(lambda: is_followed(third_version))
    kinds = [entry["kind"] for entry in history(third_version)[entries:]]
    assert sorted(kinds) == ["overridden", "settled", "switched"]
    assert {"package", "deploy", "test", "switch", "bake"} <= set(reached)
    assert third_version.run("verify", "--env", "prod").returncode == 0
    assert ask_registrar(third_version, "status")["problems"] == {}


def kill_release_at(fork, step):
    """Run a release, and kill it with its children when the step begins.

    Return whether the step began.
    """
    command = [
        str(Path(sys.executable).with_name("titlebout")),
        "release",
        MODEL,
        "--env",
        "prod",
        "--override",
        "the third must only differ",
    ]
    variables = {**os.environ, "TITLEBOUT_PROJECT": str(fork.project)}
    process = subprocess.Popen(
        command,
        env=variables,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if f" s  {step}" in line:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    process.wait()
    return False
