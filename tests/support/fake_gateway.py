"""Stand in for an API server, as far as a strategy needs one.

It holds an HTTPRoute whose versions are checked, and pods that give their metrics.
"""

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from kubernetes.client.exceptions import ApiException

from titlebout.cluster import Api
from titlebout.spec.http_route import GATEWAYS

Document = dict[str, Any]  # of Kubernetes


class FakeRoutes:
    """Hold one HTTPRoute.

    `before_patch` is called once, before the next patch: it does what another client does then.
    """

    def __init__(self) -> None:
        self.route: Document = {}  # empty: there is none
        self.version = 0
        self.before_patch: Callable[[], object] | None = None

    def get_namespaced_custom_object(
        self, _group: str, _version: str, _namespace: str, plural: str, _name: str, **_: Any
    ) -> Document:
        """Return the Gateway or the route; raise 404 if there is no route."""
        if plural == GATEWAYS:
            return {}
        if not self.route:
            raise ApiException(status=404)
        return copy.deepcopy(self.route)

    def create_namespaced_custom_object(
        self, _group: str, _version: str, _namespace: str, _plural: str, body: Document, **_: Any
    ) -> Document:
        """Create the route."""
        self.route = copy.deepcopy(body)
        return self._written()

    def patch_namespaced_custom_object(
        self,
        _group: str,
        _version: str,
        _namespace: str,
        _plural: str,
        _name: str,
        body: Document,
        **_: Any,
    ) -> Document:
        """Change the route; raise 409 if its version is another."""
        between, self.before_patch = self.before_patch, None
        if between:
            between()
        seen = body.get("metadata", {}).get("resourceVersion")
        if seen not in (None, str(self.version)):
            raise ApiException(status=409)
        self.route["spec"] |= copy.deepcopy(body["spec"])
        return self._written()

    def write_status(self) -> None:
        """Write a new version, as the Gateway's controller does after each change."""
        self._written()

    @property
    def rules(self) -> list[Document]:
        """Return the route's rules."""
        return list(self.route["spec"]["rules"])

    def _written(self) -> Document:
        self.version += 1
        self.route["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.route)


class FakePods:
    """Hold pods: `metrics` by (slot, pod), or None for a pod that does not answer in time."""

    def __init__(self, metrics: dict[tuple[str, str], str | None]) -> None:
        self.metrics = metrics

    def list_namespaced_pod(self, _namespace: str, *, label_selector: str) -> SimpleNamespace:
        """Return the slot's pods, all ready."""
        slot = label_selector.rpartition("=")[2]
        return SimpleNamespace(items=[_ready_pod(name) for of, name in self.metrics if of == slot])

    def connect_get_namespaced_pod_proxy_with_path(
        self, pod: str, *_: Any, **__: Any
    ) -> SimpleNamespace:
        """Return the pod's metrics; raise 503 if it does not answer."""
        text = next(text for (_, name), text in self.metrics.items() if pod == f"{name}:8080")
        if text is None:
            raise ApiException(status=503)
        return SimpleNamespace(data=text.encode())


def _ready_pod(name: str) -> SimpleNamespace:
    status = SimpleNamespace(conditions=[SimpleNamespace(type="Ready", status="True")])
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name, deletion_timestamp=None), status=status
    )


def metrics_page(requests: int, *, errors: int = 0) -> str:
    """Return the metrics page of a server that answered so many requests, in time."""
    return (
        f'titlebout_requests_total{{endpoint="/predict",status="200"}} {requests - errors}\n'
        f'titlebout_requests_total{{endpoint="/predict",status="500"}} {errors}\n'
        f'titlebout_request_seconds_bucket{{endpoint="/predict",le="1.0"}} {requests}\n'
        f'titlebout_request_seconds_bucket{{endpoint="/predict",le="+Inf"}} {requests}\n'
    )


def api_of(routes: FakeRoutes | None = None, pods: FakePods | None = None) -> Api:
    """Return the real client around the fakes."""
    api = Api(None)
    api.__dict__.update(custom=routes, core=pods)
    return api
