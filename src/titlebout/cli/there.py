"""A command about an environment on a cluster runs in its namespace, beside its data: the same command line, in a Job."""

import secrets
import sys
from pathlib import Path

import typer

OUTPUT = "titlebout-output"  # the line of the Job's log after which the command's standard output follows
# Both streams of a pod share one log, so standard output is held back until the progress is over.
SCRIPT = f'titlebout "$@" >/tmp/output; code=$?; echo {OUTPUT}; cat /tmp/output; exit $code'
MEMORY = ("512Mi", "3Gi")  # flights trains in 1 GiB
HOURS_MOST = 6


def run_there(project: Path, model: str, environment: str) -> None:
    """Does nothing in a pod or for an environment of this machine; else runs sys.argv in the namespace and exits as it did there."""
    from titlebout.cluster import in_pod
    from titlebout.spec import kubernetes, load_environment, load_model_spec

    declared = load_environment(project, environment).kubernetes
    if declared is None or in_pod():
        return
    from titlebout.cluster import connect
    from titlebout.cluster.job import Job, run_job
    from titlebout.images import noted_image

    user = kubernetes.user_secret("releaser")
    job = Job(
        name=f"{model}-{sys.argv[1]}-{secrets.token_hex(3)}",
        part="training",
        image=noted_image(project, "platform"),
        command=("sh", "-c", SCRIPT, "titlebout", *sys.argv[1:]),
        account="training",
        seconds=HOURS_MOST * 3600,
        labels={kubernetes.LABEL_MODEL: model},
        secret_variables=(kubernetes.STORAGE_SECRET,),
        secrets={"MLFLOW_TRACKING_USERNAME": (user, "username"), "MLFLOW_TRACKING_PASSWORD": (user, "password")},
        where_there={kubernetes.STORAGE_READER_PREFIX: kubernetes.STORAGE_READER_SECRET},
        memory=MEMORY,
    )
    namespace = kubernetes.namespace_of(load_model_spec(project, model).owner, environment)
    typer.echo(f"job {job.name} in {namespace}, image {job.image.rpartition('@')[2][:19]}", err=True)
    succeeded = run_job(connect(declared), namespace, job, hear=_Streams().hear)
    raise typer.Exit(0 if succeeded else 1)


class _Streams:
    """The pod's one log, told apart again: progress first, then standard output."""

    def __init__(self) -> None:
        self._progress = True

    def hear(self, line: str) -> None:
        if line == OUTPUT:
            self._progress = False
        else:
            typer.echo(line, err=self._progress)
