"""An environment's MLflow server and storage, reachable from where this process runs."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from titlebout.cluster.api import Api, connect, in_pod
from titlebout.cluster.tunnel import tunnel
from titlebout.spec import Cluster, ClusterError, Environment, object_names

S3 = "s3://"


@contextmanager
def reach(environment: Environment, *, team: str) -> Iterator[Environment]:
    """The environment with addresses that answer here, and the releaser's and the storage's credentials in this process's variables.

    The storage's have a prefix: helm and the login to a cloud's cluster are given this process's variables, too, and read AWS_*.

    In a pod, and for an environment without a cluster, nothing needs to be done. Elsewhere, what is named by a Service of the namespace
    is reached through a tunnel. Raises ClusterError.
    """
    if environment.kubernetes is None or in_pod():
        yield environment
        return
    namespace = object_names.namespace_of(team, environment.name)
    with ExitStack() as tunnels:
        account = _secret(
            connect(environment.kubernetes), namespace, object_names.user_secret("releaser")
        )
        _set_variables(
            {f"MLFLOW_TRACKING_{key.upper()}": value for key, value in account.items()}, tunnels
        )
        mlflow = environment.mlflow
        if _is_service(mlflow):
            mlflow = tunnels.enter_context(
                tunnel(
                    environment.kubernetes.context,
                    namespace,
                    object_names.MLFLOW_SERVICE,
                    object_names.MLFLOW_PORT,
                )
            )
        if environment.storage.startswith(S3):
            _reach_storage(environment.kubernetes, namespace, tunnels)
        yield environment.model_copy(update={"mlflow": mlflow})


def _reach_storage(cluster: Cluster, namespace: str, tunnels: ExitStack) -> None:
    """The Secret's own variables, its endpoint replaced where that is a Service of the namespace."""
    variables = _secret(connect(cluster), namespace, object_names.STORAGE_SECRET)
    endpoint = variables.get("AWS_ENDPOINT_URL", "")
    if endpoint and _is_service(endpoint):
        variables["AWS_ENDPOINT_URL"] = tunnels.enter_context(
            tunnel(
                cluster.context, namespace, object_names.STORAGE_SERVICE, object_names.STORAGE_PORT
            )
        )
    _set_variables(
        {
            f"{object_names.STORAGE_REACHED_PREFIX}{name}": value
            for name, value in variables.items()
        },
        tunnels,
    )


def _secret(api: Api, namespace: str, name: str) -> dict[str, str]:
    found = api.secret(namespace, name)
    if found is None:
        raise ClusterError(
            f"Secret {name} in {namespace}",
            expected="credentials",
            found="no such Secret",
            next_step="titlebout team apply makes it",
        )
    return found


def _set_variables(variables: dict[str, str], until: ExitStack) -> None:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    until.callback(_restore, before)


def _is_service(url: str) -> bool:
    """A host without a dot is a Service of the namespace, and so is one below svc."""
    host = urlsplit(url).hostname or ""
    return "." not in host or ".svc" in host


def _restore(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
