"""Run a part of a release in a Job, whose result and error come back through the log.

A stand-in for `run_job` runs the pod's own command here.
"""

import os
import subprocess
import sys

import pytest
from support.pod_log import pod_log

import titlebout.cluster
from titlebout.release.predeployment import Subject
from titlebout.release.task_job import release_job, run_release_job
from titlebout.release.task_pod import SlotTask
from titlebout.spec import (
    TOKEN_VARIABLE,
    RolloutError,
    ServiceObjective,
    SlotAddress,
    StorageError,
)

NOWHERE = "http://127.0.0.1:9"  # the port that discards
SUBJECT = Subject(
    slot=SlotAddress(url=NOWHERE, secret=""), release="2", row={"x": 1}, live=None, may_refuse=False
)
TASK = SlotTask(subject=SUBJECT, objective=ServiceObjective(), seconds=1)


@pytest.fixture
def job():
    return release_job("test", TASK, model="m", image="i", seconds=60, reads_storage=False)


@pytest.fixture
def run(monkeypatch, job):
    """Run the Job with a pod of these lines, and return its result and its progress."""
    monkeypatch.setattr(titlebout.cluster, "end_jobs", lambda *_: None)

    def run(lines):
        def run_job(_api, _namespace, _job, *, on_line):
            for line in lines:
                on_line(line)
            return 1

        monkeypatch.setattr(titlebout.cluster, "run_job", run_job)
        progress: list[str] = []
        return run_release_job(None, "ring-prod", job, progress=progress.append), progress

    return run


def test_the_result_comes_back_and_all_else_is_progress(run, job):
    """Treat a line that looks like a result, but has no token, as progress."""
    forged = pod_log("guessed", result={"fault": "forged"})
    result, progress = run(
        ["test smoke: passed", *pod_log(job.output_token, result={"fault": None}), *forged]
    )
    assert result == {"fault": None}
    assert progress == ["test smoke: passed", *forged]


def test_a_tasks_error_comes_back_as_itself(run, job):
    """Raise the task's error, and no message about a Job without a result."""
    fault = StorageError("s3://a", expected="to answer", found="403; found", next_step="grant it")
    with pytest.raises(StorageError) as caught:
        run(pod_log(job.output_token, error=fault))
    assert caught.value.parts == fault.parts


@pytest.mark.parametrize(("lines", "found"), [(["Killed"], "Killed"), ([], "an empty log")])
def test_a_job_that_was_killed_has_no_result(run, lines, found):
    """Name the end of the Job's log in the error."""
    with pytest.raises(RolloutError, match=f"a result in its log; found {found}"):
        run(lines)


def test_a_failed_test_of_a_slot_is_the_releases_error(run, job):
    """Run the pod's own command on a slot that does not answer."""
    done = subprocess.run(
        [sys.executable, *job.command[1:]],
        env={**os.environ, TOKEN_VARIABLE: job.output_token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    with pytest.raises(RolloutError) as caught:
        run(done.stdout.split("\n"))
    assert caught.value.subject == "pre-deployment test smoke of release 2"
    assert caught.value.found.startswith("the example row was answered 0")
    assert "Traceback" not in done.stderr
