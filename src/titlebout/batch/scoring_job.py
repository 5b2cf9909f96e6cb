"""Score a table in the team's namespace, beside the data: in a Job of helm/batch."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titlebout.spec import (
    ClusterError,
    Environment,
    LogReader,
    NotAllowed,
    TitleboutError,
    load_model_spec,
    object_names,
)

if TYPE_CHECKING:
    from titlebout.cluster import Api

CHART = Path("helm", "batch")
# Of the hash of input and output: the same table to the same place is the same Job.
NAME_CHARACTERS = 10
# A Job that takes longer is ended, unless batch-values.yaml gives it more; the chart's default.
JOB_SECONDS = 3600
LOG_LINES = 200  # of the log's end, where the result stands; warnings may follow it


def submit_scoring(
    project: Path, model: str, environment: Environment, *, source: str, output: str
) -> dict[str, Any]:
    """Start the Job, wait for its end and return what `score_object` returned there.

    A Job that runs already is waited for. The result has fewer fields if its pod is gone.
    Raise the error that the Job ended with, or ClusterError if it was ended from outside.
    """
    from titlebout.cluster import Helm, connect, succeeded

    if environment.kubernetes is None:
        raise NotAllowed(
            f"{source} in {environment.name}",
            expected="an environment on a cluster: the Job runs there",
            found="no `kubernetes` in environment.yaml",
            next_step="give a file of this machine",
        )
    api = connect(environment.kubernetes)
    namespace = object_names.namespace_of(load_model_spec(project, model).owner, environment.name)
    digest = hashlib.sha256(f"{source} {output}".encode()).hexdigest()
    name = f"{model}-score-{digest[:NAME_CHARACTERS]}"
    values = scoring_values(project, model, environment.name, source=source, output=output)
    if not _runs(api, namespace, name):
        Helm(api.context).upgrade(name, project / CHART, namespace=namespace, values=values)
    done = succeeded(api, namespace, name, seconds=values["score"]["deadlineSeconds"])
    reader = _read_output(api, namespace, name)
    if not done:
        raise _failure(reader, job=f"job {name} in {namespace}")
    result = reader.result if reader else None
    return {"job": name, "namespace": namespace, **(result or {}), "out": output}


def _failure(reader: LogReader | None, *, job: str) -> TitleboutError:
    """Return the error that the Job ended with, else the end of its log."""
    if reader and reader.error:
        return reader.error
    return ClusterError(
        job,
        expected="to score the table",
        found=" ".join(" ".join(reader.tail).split()).rstrip(".") if reader else "its pod is gone",
        next_step="correct what it names, and run the command again",
    )


def scoring_values(
    project: Path, model: str, environment: str, *, source: str, output: str
) -> dict[str, Any]:
    """Return the values for helm/batch.

    The platform's batch-values.yaml says with what the Job runs. The command says what it does.
    """
    from titlebout.cluster import merged, platform_values
    from titlebout.images import noted_image

    ours = {"image": noted_image(project, "platform"), "score": {"deadlineSeconds": JOB_SECONDS}}
    asked = {
        "model": model,
        "environment": environment,
        "score": {"input": source, "output": output},
        "monitor": {"enabled": False},  # the CronJob is one of its own; each scoring would claim it
    }
    return merged(merged(ours, platform_values(project, environment, "batch")), asked)


def _runs(api: "Api", namespace: str, name: str) -> bool:
    """Tell whether the Job runs. Delete a Job that has ended.

    The next Job leaves a result alone that is there already.
    """
    from titlebout.cluster import end_job

    found = api.find(api.batch.read_namespaced_job, name, namespace)
    if found is None or found.status.active:
        return found is not None
    end_job(api, namespace, name)
    return False


def _read_output(api: "Api", namespace: str, name: str) -> LogReader | None:
    """Read the end of the log of the Job's newest pod; None if the pod is gone."""
    with api.asking(f"read the log of job {namespace}/{name}"):
        pods = api.core.list_namespaced_pod(namespace, label_selector=f"job-name={name}").items
        if not pods:
            return None
        newest = max(pods, key=lambda pod: pod.metadata.creation_timestamp).metadata
        # as it is: the client would take a log of one JSON line for an object, and change it
        log = api.core.read_namespaced_pod_log(
            newest.name, namespace, tail_lines=LOG_LINES, _preload_content=False
        ).data
    reader = LogReader(newest.uid, lambda _: None)  # the chart makes it the token of its output
    for line in log.decode(errors="replace").split("\n"):
        reader.read_line(line)
    return reader
