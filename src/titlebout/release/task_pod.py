"""Test or bake a slot in a Job: `python -m titlebout.release.task_pod test|bake TASK`."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from titlebout.release.bake import Bake, watch
from titlebout.release.predeployment import Subject, run_tests
from titlebout.release.probe_secrets import revealed
from titlebout.spec import Record, ServiceObjective, run_in_pod


class SlotTask(Record):
    """Say which slot to test, through its preview Service."""

    subject: Subject
    objective: ServiceObjective
    seconds: float


def test(task: SlotTask) -> dict[str, Any]:
    """Return every test's result. Raise RolloutError at the first test that fails."""
    results = run_tests(task.subject, task.objective, seconds=task.seconds, progress=_progress)
    return {"tests": [result.model_dump(mode="json") for result in results]}


def bake(task: Bake) -> dict[str, Any]:
    """Return the first fault in words, or None. The caller knows whether the traffic moved on."""
    return {"fault": watch(task, is_live=lambda: True, progress=_progress)}


def _progress(line: str) -> None:
    print(line, flush=True)


def slot_task(text: str, variables: Mapping[str, str]) -> SlotTask:
    """Read a task, and the secret of its slot from the variables."""
    task = SlotTask.model_validate_json(text)
    subject = task.subject.model_copy(update={"slot": revealed(task.subject.slot, variables)})
    return task.model_copy(update={"subject": subject})


def bake_task(text: str, variables: Mapping[str, str]) -> Bake:
    """Read a task, and the secrets of its slots from the variables."""
    task = Bake.model_validate_json(text)
    slots = {
        "new": revealed(task.new, variables),
        "old": task.old and revealed(task.old, variables),
    }
    shift = task.shift and task.shift.model_copy(
        update={
            "old": revealed(task.shift.old, variables),
            "new": revealed(task.shift.new, variables),
        }
    )
    return task.model_copy(update={**slots, "shift": shift})


def main() -> None:
    """Do the task of the command line, and write its result or its error."""
    kind, text = sys.argv[1], sys.argv[2]
    run_in_pod(
        lambda: (
            test(slot_task(text, os.environ))
            if kind == "test"
            else bake(bake_task(text, os.environ))
        )
    )


if __name__ == "__main__":
    main()
