"""Reach an environment's MLflow server and storage from where this process runs."""

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
    """Yield the environment with addresses that answer here, and set this process's variables.

    The variables hold the releaser's and the storage's credentials. Those of the storage have a
    prefix: helm and the login to a cloud's cluster get the variables, too, and read AWS_*.

    In a pod, and for an environment without a cluster, nothing needs to be done. Elsewhere, a
    Service of the namespace is reached through a tunnel. Raise ClusterError if that fails.
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
    """Set the Secret's own variables, with an endpoint that answers here."""
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
            next_step="run `titlebout team apply`, which makes it",
        )
    return found


def _set_variables(variables: dict[str, str], stack: ExitStack) -> None:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    stack.callback(_restore_variables, before)


def _is_service(url: str) -> bool:
    """Tell whether the URL names a Service of the namespace: a host without a dot, or below svc."""
    host = urlsplit(url).hostname or ""
    return "." not in host or ".svc" in host


def _restore_variables(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
