"""Run a command about an environment on a cluster in its namespace, beside its data.

The same command line runs in a Job. It prints, fails and exits here as it did there.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from titlebout.spec import Cluster, Environment, LogReader

COMMAND = ("python", "-m", "titlebout.cli.command_pod")
OUTPUT = "output"  # the key of the Job's result that holds the command's standard output
MEMORY_REQUEST = "512Mi"
SCHEDULING_SECONDS = 900.0  # a cluster that adds a node for the pod takes some minutes
HOURS_MOST = 6
DIGEST = re.compile(r"[0-9a-f]{64}")
NONE: Mapping[str, Any] = MappingProxyType({})
# Tells the pod the digest of the caller's own models/<name>/.
DECLARED_VARIABLE = "TITLEBOUT_DECLARED"


def remote_cluster(project: Path, environment: str) -> "Cluster | None":
    """Return the environment's cluster if this process is outside of it, else None."""
    from titlebout.cluster import in_pod
    from titlebout.spec import load_environment

    return None if in_pod() else load_environment(project, environment).kubernetes


def run_remotely(project: Path, model: str, environment: str) -> None:
    """Return if the command is to run here. Else run it in the namespace, and exit as it did."""
    if (cluster := remote_cluster(project, environment)) is not None:
        code, output = run_in_namespace(cluster, project, model, environment, sys.argv[1:])
        typer.echo(output, nl=False)
        raise typer.Exit(code)
    require_same_declaration(project, model)


def train_in_namespace(
    cluster: "Cluster",
    project: Path,
    model: str,
    environment: str,
    arguments: Sequence[str],
    *,
    as_of: str | None,
) -> tuple[int, str]:
    """Train in two Jobs. Return the exit code and the standard output.

    The first Job reads the source. The second trains on the dataset that the first stored, and
    signs the verdict. A data team's own code runs in the first alone. Its credentials read data,
    write below datasets/, and open nothing on MLflow.
    """
    from titlebout.data import PREPARED

    code, output = prepare_in_namespace(cluster, project, model, environment, as_of=as_of)
    if code != 0:
        return code, output if "--json" in arguments else ""  # progress says what went wrong
    return run_in_namespace(
        cluster, project, model, environment, arguments, variables={PREPARED: _digest_in(output)}
    )


def _digest_in(output: str) -> str:
    """Return the dataset's digest. Raise DataError for anything else.

    A data team's code ran in that Job.
    """
    from titlebout.spec import DataError

    try:
        found = json.loads(output)["digest"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, str) or DIGEST.fullmatch(found) is None:
        raise DataError(
            "what titlebout prepare printed in its Job",
            expected="one JSON object with the dataset's digest",
            found=output[:80] or "nothing",
            next_step="let features.py print nothing to standard output",
        )
    return found


def prepare_in_namespace(
    cluster: "Cluster", project: Path, model: str, environment: str, *, as_of: str | None
) -> tuple[int, str]:
    """Return exit code and standard output, as JSON, of `titlebout prepare` in a Job.

    The Job has no account on MLflow.
    """
    from titlebout.spec import object_names

    arguments = [
        "prepare",
        model,
        "--env",
        environment,
        *(("--as-of", as_of) if as_of else ()),
        "--json",
    ]
    source_reader = {object_names.STORAGE_READER_PREFIX: object_names.STORAGE_READER_SECRET}
    return _run(
        cluster,
        project,
        model,
        environment,
        arguments,
        store=object_names.STORAGE_TRAINING_SECRET,
        where_in_pod=source_reader,
    )


def run_in_namespace(
    cluster: "Cluster",
    project: Path,
    model: str,
    environment: str,
    arguments: Sequence[str],
    *,
    variables: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Return exit code and standard output of `titlebout ARGUMENTS` in a Job.

    The Job is the releaser on MLflow.
    """
    from titlebout.spec import object_names

    user = object_names.user_secret("releaser")
    account = {
        "MLFLOW_TRACKING_USERNAME": (user, "username"),
        "MLFLOW_TRACKING_PASSWORD": (user, "password"),
    }
    return _run(
        cluster,
        project,
        model,
        environment,
        arguments,
        store=object_names.STORAGE_SECRET,
        secrets=account,
        variables=variables or {},
    )


def _run(
    cluster: "Cluster",
    project: Path,
    model: str,
    environment: str,
    arguments: Sequence[str],
    *,
    store: str,
    secrets: Mapping[str, tuple[str, str]] = NONE,
    where_in_pod: Mapping[str, str] = NONE,
    variables: Mapping[str, str] = NONE,
) -> tuple[int, str]:
    """Run the command in a Job of the platform image, and show its progress as it comes.

    Raise the error that it ended with.
    """
    from titlebout.cluster import Job, connect, run_job
    from titlebout.images import noted_image
    from titlebout.spec import LogReader, load_model_spec, object_names

    namespace = object_names.namespace_of(load_model_spec(project, model).owner, environment)
    job = Job(
        name=f"{model}-{_command(arguments)}-{token_hex(3)}",
        part="training",
        image=noted_image(project, "platform"),
        command=(*COMMAND, *arguments),
        account="training",
        seconds=HOURS_MOST * 3600,
        labels={object_names.LABEL_MODEL: model},
        secret_variables=(store,),
        secrets=secrets,
        variables={DECLARED_VARIABLE: _digest_declaration(project, model), **variables},
        where_in_pod=where_in_pod,
        memory=(MEMORY_REQUEST, cluster.job_memory),
        room_seconds=SCHEDULING_SECONDS,
    )
    typer.echo(
        f"job {job.name} in {namespace}, image {job.image.rpartition('@')[2][:19]}", err=True
    )
    reader = LogReader(job.output_token, partial(typer.echo, err=True))
    code = run_job(connect(cluster), namespace, job, on_line=reader.read_line)
    return code, _take_output(reader, code=code, job=f"job {job.name} in {namespace}")


def _take_output(reader: "LogReader", *, code: int, job: str) -> str:
    """Return the command's standard output. Raise the error that the command ended with.

    A command that was killed has neither, and the progress says why. Raise ClusterError if the
    command ended well and its output is not in the log.
    """
    from titlebout.spec import ClusterError

    output = str(reader.result[OUTPUT]) if reader.result else ""
    if reader.error is not None:
        typer.echo(output, nl=False)  # as a command here that prints and then fails
        raise reader.error
    if reader.result is None and code == 0:
        raise ClusterError(
            job,
            expected="the command's output in its log",
            found="a log without it",
            next_step="make images, and run the command again",
        )
    return output


def _command(arguments: Sequence[str]) -> str:
    """Return the command's name; options of the program itself, as --verbose, stand before it."""
    return next(argument for argument in arguments if not argument.startswith("-"))


@contextmanager
def connected(project: Path, model: str, environment: str) -> "Iterator[Environment]":
    """Yield the environment with addresses that answer here, and its credentials."""
    from titlebout.cluster import reach
    from titlebout.spec import load_environment, load_model_spec

    with reach(
        load_environment(project, environment), team=load_model_spec(project, model).owner
    ) as found:
        yield found


def _digest_declaration(project: Path, model: str) -> str:
    """Return a digest of model.yaml, features.py and the settings; tables are not read."""
    from titlebout.spec import model_folder

    digest = hashlib.sha256()
    for path in sorted(model_folder(project, model).glob("*")):
        if path.suffix in (".yaml", ".py"):
            digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def require_same_declaration(project: Path, model: str) -> None:
    """Raise NotAllowed if models/<model>/ in the pod's image differs from the caller's."""
    from titlebout.spec import NotAllowed

    expected = os.environ.get(DECLARED_VARIABLE)
    if expected and expected != _digest_declaration(project, model):
        raise NotAllowed(
            f"models/{model} in the platform image",
            expected="what stands in your models folder",
            found="another version of it",
            next_step="make images, and run the command again",
        )
