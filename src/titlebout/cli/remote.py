"""A command about an environment on a cluster runs in its namespace, beside its data: the same command line, in a Job."""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from titlebout.spec import Cluster, Environment

OUTPUT = "titlebout-output"  # the line of the Job's log after which the command's standard output follows
# Both streams of a pod share one log, so standard output is held back until the progress is over.
SCRIPT = f'titlebout "$@" >/tmp/output; code=$?; echo {OUTPUT}; cat /tmp/output; exit $code'
MEMORY_REQUEST = "512Mi"
ROOM_SECONDS = 900.0  # a cluster that adds a node for it takes some minutes
HOURS_MOST = 6
DIGEST = re.compile(r"[0-9a-f]{64}")
NONE: Mapping[str, Any] = MappingProxyType({})
DECLARED_VARIABLE = "TITLEBOUT_DECLARED"  # tells the pod what the person's own models/<name>/ says


def remote_cluster(project: Path, environment: str) -> "Cluster | None":
    """The environment's cluster, where this process is outside of it."""
    from titlebout.cluster import in_pod
    from titlebout.spec import load_environment

    return None if in_pod() else load_environment(project, environment).kubernetes


def run_remotely(project: Path, model: str, environment: str) -> None:
    """Returns where the command may go on; for an environment elsewhere, runs sys.argv there, prints and exits as it did."""
    if (cluster := remote_cluster(project, environment)) is not None:
        code, output = run_in_namespace(cluster, project, model, environment, sys.argv[1:])
        typer.echo(output, nl=False)
        raise typer.Exit(code)
    require_declared(project, model)


def train_in_namespace(
    cluster: "Cluster",
    project: Path,
    model: str,
    environment: str,
    arguments: Sequence[str],
    *,
    as_of: str | None,
) -> tuple[int, str]:
    """Train in two Jobs: the first reads the source, the second trains on what that froze, and signs the verdict.

    A data team's own code runs in the first alone, whose credentials read data, write below datasets/ and open nothing on MLflow.
    """
    from titlebout.data import PREPARED

    code, output = prepare_in_namespace(cluster, project, model, environment, as_of=as_of)
    if code != 0:
        return code, output if "--json" in arguments else ""  # its words are in the progress
    return run_in_namespace(
        cluster, project, model, environment, arguments, variables={PREPARED: _digest_in(output)}
    )


def _digest_in(output: str) -> str:
    """Return the dataset's digest; raises DataError for anything else, since a data team's code may print what it likes there."""
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
    """Return exit code and standard output, as JSON, of `titlebout prepare` in a Job that has no account on MLflow."""
    from titlebout.spec import object_names

    arguments = [
        "prepare",
        model,
        "--env",
        environment,
        *(("--as-of", as_of) if as_of else ()),
        "--json",
    ]
    reader = {object_names.STORAGE_READER_PREFIX: object_names.STORAGE_READER_SECRET}
    return _run(
        cluster,
        project,
        model,
        environment,
        arguments,
        store=object_names.STORAGE_TRAINING_SECRET,
        where_in_pod=reader,
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
    """Return exit code and standard output of `titlebout ARGUMENTS` in a Job that is the releaser on MLflow."""
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
    """Run it in a Job of the platform image; its progress is shown as it comes."""
    from titlebout.cluster import Job, connect, run_job
    from titlebout.images import noted_image
    from titlebout.spec import load_model_spec, object_names

    namespace = object_names.namespace_of(load_model_spec(project, model).owner, environment)
    job = Job(
        name=f"{model}-{_command(arguments)}-{token_hex(3)}",
        part="training",
        image=noted_image(project, "platform"),
        command=("sh", "-c", SCRIPT, "titlebout", *arguments),
        account="training",
        seconds=HOURS_MOST * 3600,
        labels={object_names.LABEL_MODEL: model},
        secret_variables=(store,),
        secrets=secrets,
        variables={DECLARED_VARIABLE: _declared(project, model), **variables},
        where_in_pod=where_in_pod,
        memory=(MEMORY_REQUEST, cluster.job_memory),
        room_seconds=ROOM_SECONDS,
    )
    typer.echo(
        f"job {job.name} in {namespace}, image {job.image.rpartition('@')[2][:19]}", err=True
    )
    streams = _Streams()
    code = run_job(connect(cluster), namespace, job, on_line=streams.on_line)
    return code, "".join(f"{line}\n" for line in streams.output)


def _command(arguments: Sequence[str]) -> str:
    """Return the command's name; options of the program itself, as --verbose, stand before it."""
    return next(argument for argument in arguments if not argument.startswith("-"))


@contextmanager
def connected(project: Path, model: str, environment: str) -> "Iterator[Environment]":
    """The environment with addresses that answer here, and its credentials: for what is done from here to what is there."""
    from titlebout.cluster import reach
    from titlebout.spec import load_environment, load_model_spec

    with reach(
        load_environment(project, environment), team=load_model_spec(project, model).owner
    ) as found:
        yield found


def _declared(project: Path, model: str) -> str:
    """A digest of what a data team writes: model.yaml, features.py and the settings; tables are not read."""
    from titlebout.spec import model_folder

    digest = hashlib.sha256()
    for path in sorted(model_folder(project, model).glob("*")):
        if path.suffix in (".yaml", ".py"):
            digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def require_declared(project: Path, model: str) -> None:
    """In a pod: the image holds what the person who asked sees. Raises NotAllowed."""
    from titlebout.spec import NotAllowed

    asked = os.environ.get(DECLARED_VARIABLE)
    if asked and asked != _declared(project, model):
        raise NotAllowed(
            f"models/{model} in the platform image",
            expected="what stands in your models folder",
            found="another version of it",
            next_step="make images, and run the command again",
        )


class _Streams:
    """The pod's one log, told apart again: progress first, then standard output."""

    def __init__(self) -> None:
        self._progress = True
        self.output = list[str]()

    def on_line(self, line: str) -> None:
        if line == OUTPUT:
            self._progress = False
        elif self._progress:
            typer.echo(line, err=True)
        else:
            self.output.append(line)
