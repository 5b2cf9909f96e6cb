"""Batch scoring in the team's namespace: a Job of helm/batch, beside the data."""

import hashlib
from pathlib import Path
from typing import Any

from titlebout.spec import Environment, NotAllowed, kubernetes, load_model_spec

CHART = Path("helm", "batch")
NAME_CHARACTERS = 10  # of the hash of input and output: the same table to the same place is the same Job


JOB_SECONDS = 3600.0  # a Job that takes longer is ended; the chart's own default


def submit_scoring(project: Path, model: str, environment: Environment, *, source: str, output: str) -> dict[str, Any]:
    """Start the Job and wait for its end; asked again, the Job that is there already is the answer. Raises ClusterError."""
    from titlebout.cluster import Helm
    from titlebout.images import noted_image

    if environment.kubernetes is None:
        raise NotAllowed(
            f"{source} in {environment.name}",
            expected="an environment on a cluster: the Job runs there",
            found="no `kubernetes` in environment.yaml",
            next_step="give a file of this machine",
        )
    namespace = kubernetes.namespace_of(load_model_spec(project, model).owner, environment.name)
    name = f"{model}-score-{hashlib.sha256(f'{source} {output}'.encode()).hexdigest()[:NAME_CHARACTERS]}"
    values = {
        "image": noted_image(project, "platform"),
        "model": model,
        "environment": environment.name,
        "score": {"input": source, "output": output, "deadlineSeconds": int(JOB_SECONDS)},
    }
    Helm(environment.kubernetes.context).upgrade(name, project / CHART, namespace=namespace, values=values, wait_seconds=JOB_SECONDS)
    return {"job": name, "namespace": namespace, "out": output}
