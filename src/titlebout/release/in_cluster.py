"""What a release does inside the namespace: `python -m titlebout.release.in_cluster test|bake TASK`; the result is the log's last line."""

import json
import re
import sys
import time
from typing import Any

from titlebout.release.jobs import RESULT
from titlebout.release.load import Answer, percentile_ms
from titlebout.release.predeployment import Subject, get, post, run_tests
from titlebout.spec import Record, ServiceObjective, TitleboutError

PROBES_PER_SECOND = 10.0  # enough to see a failure at once, too few to weigh on the server
SERVER_ERRORS = re.compile(r'^titlebout_requests_total\{.*status="5(?!03)\d\d".*\} (\S+)$', re.MULTILINE)  # 503 is a refusal, no error


class SlotTask(Record):
    """The pre-deployment tests of a slot, through its preview Service."""

    url: str
    release: str
    row: dict[str, Any]
    p99_ms: float
    requests_per_second: float
    seconds: float


class BakeTask(SlotTask):
    """The watch over the live address; `pods` are those of the new slot, whose own counts of errors are read."""

    pods: tuple[str, ...]


def test(task: SlotTask) -> dict[str, Any]:
    """`fault` is None where every test passed."""
    subject = Subject(task.url, release=task.release, row=task.row)
    objective = ServiceObjective(p99_ms=task.p99_ms, requests_per_second=task.requests_per_second)
    try:
        results = run_tests(subject, objective, seconds=task.seconds, progress=print)
    except TitleboutError as error:
        return {"fault": error.found, "failed": error.subject, "tests": []}
    return {"fault": None, "tests": [result.model_dump(mode="json") for result in results]}


def bake(task: BakeTask) -> dict[str, Any]:
    """`fault` is the first thing that went wrong, in words; None if nothing did until the time was over."""
    before, answers = _server_errors(task), list[Answer]()
    deadline = time.monotonic() + task.seconds
    while True:
        fault = _look(task, answers) or _counted(task, before)
        if fault is not None or time.monotonic() >= deadline:
            break
        time.sleep(1 / PROBES_PER_SECOND)
    p99 = percentile_ms(answers, 0.99)
    if fault is None and p99 is not None and p99 > task.p99_ms:
        fault = f"p99 of {len(answers)} predictions was {p99} ms, objective {task.p99_ms:g} ms"
    return {"fault": fault, "probes": len(answers), "p99_ms": p99}


def _look(task: BakeTask, answers: list[Answer]) -> str | None:
    began = time.time()
    reply = post(f"{task.url}/predict", task.row)
    answers.append(Answer(began, time.time(), "fresh", reply.status or None, reply.release))
    if reply.status != 200:
        return f"a prediction was answered {reply.status or 'not at all'}"
    if reply.release != task.release:
        return f"release {(reply.release or 'unnamed')[:12]} answered"
    return None


def _counted(task: BakeTask, before: float) -> str | None:
    errors = _server_errors(task) - before
    return f"{errors:g} of the clients' requests were answered with a server error" if errors > 0 else None


def _server_errors(task: BakeTask) -> float:
    return sum(sum(map(float, SERVER_ERRORS.findall(get(f"{pod}/metrics")))) for pod in task.pods)


def main() -> None:
    kind, text = sys.argv[1], sys.argv[2]
    result = test(SlotTask.model_validate_json(text)) if kind == "test" else bake(BakeTask.model_validate_json(text))
    print(RESULT + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
