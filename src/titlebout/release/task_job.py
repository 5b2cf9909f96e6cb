"""A piece of a release that runs in the namespace, where latency is the cluster's own: a Job of the platform image."""

import json
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from titlebout.release.probe_secrets import slots_secrets
from titlebout.spec import Progress, Record, RolloutError, object_names

if TYPE_CHECKING:
    from titlebout.cluster import Api, Job

RESULT = "titlebout-result "  # begins the line of the log that holds the result
LOG_LINES = 12


def release_job(
    purpose: str, task: Record, *, model: str, image: str, seconds: float, reads_storage: bool
) -> "Job":
    """`titlebout.release.task_pod PURPOSE TASK`, for at most so many seconds."""
    from titlebout.cluster import Job

    return Job(
        name=f"{model}-{purpose}-{secrets.token_hex(3)}",
        part="release",
        image=image,
        command=("python", "-m", "titlebout.release.task_pod", purpose, task.canonical_json()),
        account="releaser",
        seconds=seconds,
        secret_variables=(object_names.STORAGE_SECRET,) if reads_storage else (),
        labels={object_names.LABEL_MODEL: model},
        where_in_pod=slots_secrets(model),
    )


def run_release_job(
    api: "Api", namespace: str, job: "Job", *, progress: Progress
) -> dict[str, Any]:
    """What its task came to; raises RolloutError if the Job failed or took too long.

    What a killed release left running is ended first: it would load the same slot.
    """
    from titlebout.cluster import end_jobs, patiently, run_job

    log = list[str]()

    def on_line(line: str) -> None:
        log.append(line)
        if not line.startswith(RESULT):
            progress(line)

    patiently(partial(end_jobs, api, namespace, {object_names.LABEL_PART: job.part, **job.labels}))
    run_job(api, namespace, job, on_line=on_line)
    line = next((line for line in reversed(log) if line.startswith(RESULT)), None)
    if line is None:
        raise RolloutError(
            f"job {job.name} in {namespace}",
            expected="a result in its log",
            found=" ".join(" ".join(log[-LOG_LINES:]).split())
            or "an empty log: it was killed, or took too long",
            next_step=f"kubectl describe job {job.name} -n {namespace}",
        )
    return dict(json.loads(line.removeprefix(RESULT)))
