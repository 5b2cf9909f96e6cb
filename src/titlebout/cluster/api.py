"""Call the API of the cluster that an environment names, and raise its errors in plain words."""

import base64
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from titlebout.spec import Cluster, ClusterAway, ClusterError

if TYPE_CHECKING:  # `kubernetes` takes 0.6 s to import
    from kubernetes.client import (
        AdmissionregistrationV1Api,
        AppsV1Api,
        BatchV1Api,
        CoordinationV1Api,
        CoreV1Api,
        CustomObjectsApi,
        DiscoveryV1Api,
        NetworkingV1Api,
        RbacAuthorizationV1Api,
        SchedulingV1Api,
        StorageV1Api,
    )
    from kubernetes.client.api_client import ApiClient

log = logging.getLogger(__name__)

CALL_SECONDS = 10.0
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT = 401, 403, 404, 409
# An API server that is going down answers so, or a load balancer in front of it.
NO_ANSWER = frozenset({429, 500, 502, 503, 504})


def in_pod() -> bool:
    """Tell whether this process runs in a pod of the cluster, where Services answer by their names.

    A CI runner's pod that has a kubeconfig works on other clusters, and does not count.
    """
    return "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ


class Api:
    """Call the API of one cluster.

    `context` is the kubeconfig's. None means its current one, or in a pod the service account's.
    """

    def __init__(self, context: str | None) -> None:
        self.context = context

    @cached_property
    def client(self) -> "ApiClient":
        """Return the client. Raise ClusterError if there is no such context."""
        from kubernetes import config
        from kubernetes.client import ApiClient, Configuration

        configuration = Configuration()
        try:
            if self.context is None and in_pod():
                config.load_incluster_config(client_configuration=configuration)
            else:
                config.load_kube_config(context=self.context, client_configuration=configuration)
        except config.ConfigException as error:
            raise ClusterError(
                self.name,
                expected="a kubeconfig with that context",
                found=str(error).rstrip("."),
                next_step="set KUBECONFIG, or another `kubernetes.context` in environment.yaml",
            ) from error
        return ApiClient(configuration)

    @cached_property
    def core(self) -> "CoreV1Api":
        """Return Pods, Services, Secrets, Namespaces and events."""
        from kubernetes.client import CoreV1Api

        return CoreV1Api(self.client)

    @cached_property
    def apps(self) -> "AppsV1Api":
        """Return Deployments and StatefulSets."""
        from kubernetes.client import AppsV1Api

        return AppsV1Api(self.client)

    @cached_property
    def batch(self) -> "BatchV1Api":
        """Return Jobs and CronJobs."""
        from kubernetes.client import BatchV1Api

        return BatchV1Api(self.client)

    @cached_property
    def coordination(self) -> "CoordinationV1Api":
        """Return Leases."""
        from kubernetes.client import CoordinationV1Api

        return CoordinationV1Api(self.client)

    @cached_property
    def custom(self) -> "CustomObjectsApi":
        """Return custom objects, such as HTTPRoutes."""
        from kubernetes.client import CustomObjectsApi

        return CustomObjectsApi(self.client)

    @cached_property
    def admission(self) -> "AdmissionregistrationV1Api":
        """Return admission policies."""
        from kubernetes.client import AdmissionregistrationV1Api

        return AdmissionregistrationV1Api(self.client)

    @cached_property
    def discovery(self) -> "DiscoveryV1Api":
        """Return EndpointSlices."""
        from kubernetes.client import DiscoveryV1Api

        return DiscoveryV1Api(self.client)

    @cached_property
    def networking(self) -> "NetworkingV1Api":
        """Return NetworkPolicies."""
        from kubernetes.client import NetworkingV1Api

        return NetworkingV1Api(self.client)

    @cached_property
    def rbac(self) -> "RbacAuthorizationV1Api":
        """Return roles and their bindings."""
        from kubernetes.client import RbacAuthorizationV1Api

        return RbacAuthorizationV1Api(self.client)

    @cached_property
    def scheduling(self) -> "SchedulingV1Api":
        """Return PriorityClasses."""
        from kubernetes.client import SchedulingV1Api

        return SchedulingV1Api(self.client)

    @cached_property
    def storage(self) -> "StorageV1Api":
        """Return StorageClasses."""
        from kubernetes.client import StorageV1Api

        return StorageV1Api(self.client)

    @property
    def name(self) -> str:
        """Return what errors call the cluster."""
        return (
            f"the cluster of context {self.context}"
            if self.context
            else "the cluster of the current context"
        )

    def version(self) -> str:
        """Return the version of Kubernetes, as the API server tells it."""
        from kubernetes.client import VersionApi

        with self.asking("ask for its version"):
            return str(VersionApi(self.client).get_code(_request_timeout=CALL_SECONDS).git_version)

    def serves(self, group: str) -> bool:
        """Tell whether there is such an API group."""
        from kubernetes.client import ApisApi

        with self.asking("list the API groups"):
            return any(
                found.name == group
                for found in ApisApi(self.client)
                .get_api_versions(_request_timeout=CALL_SECONDS)
                .groups
            )

    def answers(self, path: str) -> bool:
        """Tell whether the server behind this path answers.

        An extension's group is listed also while its pods are away.
        """
        try:
            with self.asking(f"get {path}"):
                self.client.call_api(
                    path,
                    "GET",
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                    _request_timeout=CALL_SECONDS,
                )
        except ClusterError as error:
            if getattr(error.__cause__, "status", None) in (NOT_FOUND, *NO_ANSWER):
                return False
            raise
        return True

    def find(self, read: Any, *arguments: Any) -> Any | None:
        """Return what `read` returns, or None if there is no such object.

        Raise ClusterError for anything else.
        """
        from kubernetes.client.exceptions import ApiException

        with self.asking(f"read {'/'.join(map(str, reversed(arguments)))}"):
            try:
                return read(*arguments, _request_timeout=CALL_SECONDS)
            except ApiException as error:
                if error.status == NOT_FOUND:
                    return None
                raise

    def unless_changed(self, what: str, write: Any, *arguments: Any, **options: Any) -> bool:
        """Write, and tell whether it was written: not if somebody else was first.

        Raise ClusterError for anything else.
        """
        return self.written_unless_changed(what, write, *arguments, **options) is not None

    def written_unless_changed(
        self, what: str, write: Any, *arguments: Any, **options: Any
    ) -> Any | None:
        """Write, and return the object, or None if somebody else was first.

        Then the server answers 409: the object has another version, or exists already. Raise
        ClusterError for anything else.
        """
        from kubernetes.client.exceptions import ApiException

        with self.asking(what):
            try:
                return write(*arguments, **options, _request_timeout=CALL_SECONDS)
            except ApiException as error:
                if error.status == CONFLICT:
                    return None
                raise

    def secret(self, namespace: str, name: str) -> dict[str, str] | None:
        """Return the Secret's values as text, or None if there is no such Secret."""
        found = self.find(self.core.read_namespaced_secret, name, namespace)
        return (
            None
            if found is None
            else {
                key: base64.b64decode(value).decode() for key, value in (found.data or {}).items()
            }
        )

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Raise ClusterError for an error that the API answers, ClusterAway if it does not answer.

        `what` continues the sentence "the right to …".
        """
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config import ConfigException  # a pod's token is read again now and then
        from urllib3.exceptions import HTTPError

        log.debug("ask the API server to %s", what)
        try:
            yield
        except ApiException as error:
            raise self._refusal(what, error.status, _message(error)) from error
        except (HTTPError, OSError, ConfigException) as error:
            raise ClusterAway(
                self.name,
                expected="an answer",
                found=f"none: {error}",
                next_step="check that the cluster runs and KUBECONFIG points to it",
            ) from error

    def _refusal(self, what: str, status: int, message: str) -> ClusterError:
        if status in (UNAUTHORIZED, FORBIDDEN):
            return ClusterError(
                self.name,
                expected=f"the right to {what}",
                found=message,
                next_step="ask the platform team for a role in your team's file",
            )
        kind = ClusterAway if status in NO_ANSWER else ClusterError
        return kind(
            self.name,
            expected=f"to {what}",
            found=f"{status}: {message}",
            next_step="run `titlebout doctor`, which names what is missing",
        )


def connect(cluster: Cluster) -> Api:
    """Return the cluster's API. A pod uses no context: it is in the cluster already."""
    return Api(None if in_pod() else cluster.context)


def annotations_of(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the annotations of an object in the API's JSON; without any, it has no such field."""
    return manifest["metadata"].get("annotations") or {}


def _message(error: Any) -> str:
    """Return what the API server says, or through it the registrar."""
    import json

    try:
        answer = json.loads(error.body)
        return " ".join(str(answer.get("message") or answer["error"]).split()).rstrip(".")
    except (TypeError, ValueError, KeyError, AttributeError):
        return str(error.reason)
