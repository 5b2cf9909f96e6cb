"""What a release does inside the namespace: `python -m titlebout.release.task_pod test|bake TASK`; the result is the log's last line."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from titlebout.release.bake import Bake, watch
from titlebout.release.predeployment import Subject, run_tests
from titlebout.release.probe_secrets import revealed
from titlebout.release.task_job import RESULT
from titlebout.spec import Record, ServiceObjective, TitleboutError


class SlotTask(Record):
    """The pre-deployment tests of a slot, through its preview Service."""

    subject: Subject
    objective: ServiceObjective
    seconds: float


def test(task: SlotTask) -> dict[str, Any]:
    """`fault` is None where every test passed."""
    try:
        results = run_tests(task.subject, task.objective, seconds=task.seconds, progress=print)
    except TitleboutError as error:
        return {"fault": error.found, "failed": error.subject, "tests": []}
    return {"fault": None, "tests": [result.model_dump(mode="json") for result in results]}


def bake(task: Bake) -> dict[str, Any]:
    """`fault` is the first thing that went wrong, in words; whoever waits for it knows whether the traffic moved on."""
    return {"fault": watch(task, is_live=lambda: True, progress=print)}


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
    kind, text = sys.argv[1], sys.argv[2]
    result = (
        test(slot_task(text, os.environ)) if kind == "test" else bake(bake_task(text, os.environ))
    )
    print(RESULT + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
