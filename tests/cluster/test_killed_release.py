"""A releasing process that is killed without warning at any step, and run again, ends where an undisturbed one does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster.test_killed_parts import STEPS
from cluster.test_loop import MODEL, answering, asked, eventually, followed, history

RELEASE = ("release", MODEL, "--env", "prod", "--override", "the third must only differ")


@pytest.fixture(scope="module")
def challenged(twice):
    """A third version, which nothing has released yet."""
    twice.retune(iterations=40)
    twice.run("train", MODEL, "--env", "prod")
    return twice


def test_killed_at_every_step_it_ends_the_same(challenged):
    """Killed at each step in turn, the next run goes on from there; clients see the old release or the new, and the ledger one change."""
    before, entries = answering(challenged), len(history(challenged))
    reached = [step for step in STEPS if killed_at(challenged, step)]
    challenged.run(*RELEASE)
    after = answering(challenged)
    assert after != before
    eventually(lambda: followed(challenged))
    kinds = [entry["kind"] for entry in history(challenged)[entries:]]
    assert sorted(kinds) == ["overridden", "settled", "switched"]
    assert {"package", "deploy", "test", "switch", "bake"} <= set(reached)
    assert challenged.run("verify", "--env", "prod").returncode == 0
    assert asked(challenged, "status")["problems"] == {}


def killed_at(fork, step):
    """Run a release and kill it, and all that it started, as it says that the step begins; whether it got there."""
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
