"""What a release does inside the namespace: `python -m titlebout.release.in_cluster test|bake TASK`; the result is the log's last line."""

import json
import sys
from typing import Any

from titlebout.release.bake import Bake, watch
from titlebout.release.jobs import RESULT
from titlebout.release.predeployment import Subject, run_tests
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


def main() -> None:
    kind, text = sys.argv[1], sys.argv[2]
    result = test(SlotTask.model_validate_json(text)) if kind == "test" else bake(Bake.model_validate_json(text))
    print(RESULT + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
