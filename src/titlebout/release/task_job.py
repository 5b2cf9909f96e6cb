"""Run a part of a release in a Job of the platform image.

It runs in the namespace, since latency must be measured inside the cluster.
"""

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from titlebout.release.probe_secrets import slots_secrets
from titlebout.spec import LogReader, Progress, Record, RolloutError, object_names

if TYPE_CHECKING:
    from titlebout.cluster import Api, Job


def release_job(
    purpose: str, task: Record, *, model: str, image: str, seconds: float, reads_storage: bool
) -> "Job":
    """Return the Job of `titlebout.release.task_pod PURPOSE TASK`; `seconds` is its time limit."""
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
    """Return the result of the Job's task. Raise the error that the task ended with.

    Raise RolloutError if the Job was killed or took too long. A Job that a killed release left
    is ended first, because it would load the same slot.
    """
    from titlebout.cluster import end_jobs, patiently, run_job

    reader = LogReader(job.output_token, progress)
    patiently(partial(end_jobs, api, namespace, {object_names.LABEL_PART: job.part, **job.labels}))
    run_job(api, namespace, job, on_line=reader.read_line)
    if reader.error is not None:
        raise reader.error
    if reader.result is None:
        raise RolloutError(
            f"job {job.name} in {namespace}",
            expected="a result in its log",
            found=" ".join(" ".join(reader.tail).split())
            or "an empty log: it was killed, or took too long",
            next_step=f"kubectl describe job {job.name} -n {namespace}",
        )
    return reader.result
