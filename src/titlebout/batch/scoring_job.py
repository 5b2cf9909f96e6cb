"""Batch scoring in the team's namespace: a Job of helm/batch, beside the data."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titlebout.spec import ClusterError, Environment, NotAllowed, load_model_spec, object_names

if TYPE_CHECKING:
    from titlebout.cluster import Api

CHART = Path("helm", "batch")
NAME_CHARACTERS = (
    10  # of the hash of input and output: the same table to the same place is the same Job
)
JOB_SECONDS = 3600  # a Job that takes longer is ended, unless batch-values.yaml gives it more; the chart's own default
WORDS_LINES = 5  # of the log's end, where the error stands


def submit_scoring(
    project: Path, model: str, environment: Environment, *, source: str, output: str
) -> dict[str, Any]:
    """Start the Job, wait for its end and return what `score` returned there; one that runs already is waited for.

    Raises ClusterError with its own words if it failed.
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
    name = f"{model}-score-{hashlib.sha256(f'{source} {output}'.encode()).hexdigest()[:NAME_CHARACTERS]}"
    values = scoring_values(project, model, environment.name, source=source, output=output)
    if not _runs(api, namespace, name):
        Helm(api.context).upgrade(name, project / CHART, namespace=namespace, values=values)
    if not succeeded(api, namespace, name, seconds=values["score"]["deadlineSeconds"]):
        raise ClusterError(
            f"job {name} in {namespace}",
            expected="to score the table",
            found=" ".join("".join(_log(api, namespace, name)).split()).rstrip(".")
            or "no pod that could say why",
            next_step="correct what it names, and run the command again",
        )
    return {
        "job": name,
        "namespace": namespace,
        **said_result(_log(api, namespace, name)),
        "out": output,
    }


def scoring_values(
    project: Path, model: str, environment: str, *, source: str, output: str
) -> dict[str, Any]:
    """Of helm/batch: the platform's batch-values.yaml says with what the Job runs, the command what it does."""
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
    """Whether it is under way; one that has ended makes way: a result that is there already is left alone by the next."""
    from titlebout.cluster import end_job

    found = api.find(api.batch.read_namespaced_job, name, namespace)
    if found is None or found.status.active:
        return found is not None
    end_job(api, namespace, name)
    return False


def said_result(log: list[str]) -> dict[str, Any]:
    """Return what `batch_pod` printed, the last line that is a JSON object; nothing if the pod and its log are gone."""
    for line in reversed([line for text in log for line in text.splitlines()]):
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                return found
    return {}


def _log(api: "Api", namespace: str, name: str) -> list[str]:
    """Return the end of the newest pod's log."""
    with api.asking(f"read the log of job {namespace}/{name}"):
        pods = api.core.list_namespaced_pod(namespace, label_selector=f"job-name={name}").items
        return [
            api.core.read_namespaced_pod_log(pod.metadata.name, namespace, tail_lines=WORDS_LINES)
            for pod in pods[-1:]
        ]
