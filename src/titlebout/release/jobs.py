"""A piece of a release that runs in the namespace, where latency is the cluster's own: a Job of the platform image."""

import json
import secrets
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from titlebout.release.proofs import slots_secrets
from titlebout.spec import Record, RolloutError, kubernetes

if TYPE_CHECKING:
    from titlebout.cluster import Api
    from titlebout.cluster.job import Job

RESULT = "titlebout-result "  # begins the line of the log that holds the result
LOG_LINES = 12


def release_job(purpose: str, task: Record, *, model: str, image: str, seconds: float, reads_storage: bool) -> "Job":
    """`titlebout.release.in_cluster PURPOSE TASK`, for at most so many seconds."""
    from titlebout.cluster.job import Job

    return Job(
        name=f"{model}-{purpose}-{secrets.token_hex(3)}",
        part="release",
        image=image,
        command=("python", "-m", "titlebout.release.in_cluster", purpose, task.canonical_json()),
        account="releaser",
        seconds=seconds,
        secret_variables=(kubernetes.STORAGE_SECRET,) if reads_storage else (),
        labels={kubernetes.LABEL_MODEL: model},
        where_there=slots_secrets(model),
    )


def run_release_job(api: "Api", namespace: str, job: "Job", *, progress: Callable[[str], None]) -> dict[str, Any]:
    """What its task came to; raises RolloutError if the Job failed or took too long.

    What a killed release left running is ended first: it would load the same slot.
    """
    from titlebout.cluster import patiently
    from titlebout.cluster.job import end_jobs, run_job

    log = list[str]()

    def hear(line: str) -> None:
        log.append(line)
        if not line.startswith(RESULT):
            progress(line)

    patiently(partial(end_jobs, api, namespace, {kubernetes.LABEL_PART: job.part, **job.labels}))
    run_job(api, namespace, job, hear=hear)
    line = next((line for line in reversed(log) if line.startswith(RESULT)), None)
    if line is None:
        raise RolloutError(
            f"job {job.name} in {namespace}",
            expected="a result in its log",
            found=" ".join(" ".join(log[-LOG_LINES:]).split()) or "an empty log: it was killed, or took too long",
            next_step=f"kubectl describe job {job.name} -n {namespace}",
        )
    return dict(json.loads(line.removeprefix(RESULT)))
