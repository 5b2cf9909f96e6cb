"""Count what a slot's pods answered since a moment.

The counts come from the pods' own `/metrics`, read through the API server.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from titlebout.spec import ClusterError, RolloutError, SlotName, object_names

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

    from titlebout.cluster import Api

ENDPOINTS = frozenset({"/predict", "/invocations"})
REQUESTS, PROBES = "titlebout_requests_total", "titlebout_probes_total"
SECONDS = "titlebout_request_seconds_bucket"
UNDISTURBED = "titlebout_undisturbed_seconds_bucket"
# The server is overloaded: that is no error, and says nothing about the request.
OVERLOADED_STATUSES = (429, 503)
NO_PREDICTION = (404, 405)  # nobody asked for one
METRICS_SECONDS = 5.0


class Counted(NamedTuple):
    """Count requests for predictions.

    `slow` took longer than the smallest bucket's bound that is not below the objective. `asked`
    came from clients, not from the platform's own tests and probes. `refused` of these were refused
    for what was in them. `undisturbed` are small ones that got a prediction while no large one was
    in work; `undisturbed_slow` of these were slow.
    """

    requests: float
    errors: float
    slow: float
    asked: float
    refused: float
    undisturbed: float = 0
    undisturbed_slow: float = 0

    def less(self, other: "Counted") -> "Counted":
        """Return these counts minus the others."""
        return Counted(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING_COUNTED = Counted(0, 0, 0, 0, 0)


def total(counts: Iterable[Counted]) -> Counted:
    """Return the sum of the counts."""
    return Counted(*map(sum, zip(NOTHING_COUNTED, *counts, strict=True)))


class Growth:
    """Compute what several servers counted since a moment.

    A server that is gone keeps what it was last seen to have counted. `first` names every server
    that there was then. One without counts (None) begins with its first counts, or its whole past
    would count. One that is not named is younger, and counts from zero.
    """

    def __init__(self, first: Mapping[str, Counted | None]) -> None:
        self._first = dict(first)
        self._last = {name: counted for name, counted in first.items() if counted is not None}

    def began_anew(self, now: Mapping[str, Counted]) -> str | None:
        """Return a server whose counts fell, because it restarted; None if there is none."""
        return next(
            (
                name
                for name, counted in now.items()
                if counted.requests < self._last.get(name, NOTHING_COUNTED).requests
            ),
            None,
        )

    def to(self, now: Mapping[str, Counted]) -> Counted:
        """Return what all servers counted from the first moment to now."""
        self._first |= {
            name: counted for name, counted in now.items() if self._first.get(name, counted) is None
        }
        self._last |= now
        return total(
            last.less(self._first.get(name) or NOTHING_COUNTED) for name, last in self._last.items()
        )


class SlotCounts:
    """Count from the moment it is made."""

    def __init__(
        self, api: "Api", *, namespace: str, model: str, slot: SlotName, p99_ms: float
    ) -> None:
        self._subject = f"slot {slot} of {model} in {namespace}"
        self._read = partial(
            counted_pods, api, namespace=namespace, model=model, slot=slot, p99_ms=p99_ms
        )
        self._growth = Growth(self._read())

    def since(self) -> Counted:
        """Return what the slot counted since then.

        Raise RolloutError if the slot has no pod that answers, or if one of them restarted: neither
        is fit for traffic.
        """
        now = answered(self._read())
        if not now:
            raise self._fault("no ready pod that answers")
        if pod := self._growth.began_anew(now):
            raise self._fault(f"pod {pod} restarted")
        return self._growth.to(now)

    def _fault(self, found: str) -> RolloutError:
        return RolloutError(
            self._subject,
            expected="pods that answer without interruption",
            found=found,
            next_step="kubectl describe pods, kubectl logs --previous",
        )


def answered(counts: Mapping[str, Counted | None]) -> dict[str, Counted]:
    """Return the counts of the servers that answered."""
    return {name: counted for name, counted in counts.items() if counted is not None}


def slot_pods(api: "Api", *, namespace: str, model: str, slot: SlotName) -> list[Any]:
    """Return the slot's pods as the API has them, whatever their state."""
    selector = f"{object_names.LABEL_MODEL}={model},{object_names.LABEL_SLOT}={slot}"
    with api.asking(f"list pods in {namespace}"):
        return list(api.core.list_namespaced_pod(namespace, label_selector=selector).items)


def counted_pods(
    api: "Api", *, namespace: str, model: str, slot: SlotName, p99_ms: float
) -> dict[str, Counted | None]:
    """Return per pod of the slot all that it ever counted; None if it does not answer.

    A pod that is not ready is None, too. One that the autoscaler takes away is ready for some
    seconds more, and may answer no longer.
    """
    pods = slot_pods(api, namespace=namespace, model=model, slot=slot)
    found = dict[str, Counted | None].fromkeys(pod.metadata.name for pod in pods)
    for name in (pod.metadata.name for pod in pods if _is_ready(pod)):
        with suppress(ClusterError):
            found[name] = parse_counts(
                _fetch_metrics(api, namespace, name), slow_seconds=p99_ms / 1000
            )
    return found


def _fetch_metrics(api: "Api", namespace: str, pod: str) -> str:
    with api.asking(f"get pods/proxy {namespace}/{pod}"):
        answer = api.core.connect_get_namespaced_pod_proxy_with_path(
            f"{pod}:{object_names.SERVING_PORT}",
            namespace,
            "metrics",
            _preload_content=False,
            _request_timeout=METRICS_SECONDS,
        )
    return str(answer.data.decode())


def parse_counts(metrics: str, *, slow_seconds: float) -> Counted:
    """Count requests for predictions, of both endpoints together.

    Raise RolloutError if the page cannot be read.
    """
    samples = [
        sample
        for sample in parse_samples(metrics, REQUESTS, PROBES, SECONDS, UNDISTURBED)
        if sample.labels.get("endpoint") in ENDPOINTS
    ]
    every, probes = (_count_by_status(samples, name) for name in (REQUESTS, PROBES))
    clients = every - probes
    _, slow = _count_slow(samples, SECONDS, slow_seconds)
    undisturbed, undisturbed_slow = _count_slow(samples, UNDISTURBED, slow_seconds)
    return Counted(
        requests=every.total(),
        errors=sum(
            count
            for status, count in every.items()
            if status >= 500 and status not in OVERLOADED_STATUSES
        ),
        slow=slow,
        asked=clients.total(),
        refused=sum(
            count
            for status, count in clients.items()
            if 400 <= status < 500 and status not in (*OVERLOADED_STATUSES, *NO_PREDICTION)
        ),
        undisturbed=undisturbed,
        undisturbed_slow=undisturbed_slow,
    )


def parse_samples(metrics: str, *names: str) -> list["Sample"]:
    """Return the named samples of a `/metrics` page.

    Raise RolloutError if one cannot be read. Only their lines are parsed: a page of 8 kB then takes
    0.7 ms (measured), each 0.25 s of a bake.
    """
    # a rollback needs none
    from prometheus_client.parser import text_string_to_metric_families

    lines = [line for line in metrics.split("\n") if line.startswith(names)]
    try:
        families = list(text_string_to_metric_families("\n".join(lines)))
    except ValueError as error:
        raise RolloutError(
            "the server's /metrics page",
            expected="the text format of Prometheus",
            found=f"a line that cannot be parsed: {error}",
            next_step="read the server's log",
        ) from error
    return [sample for family in families for sample in family.samples if sample.name in names]


def _count_slow(samples: list["Sample"], name: str, slow_seconds: float) -> tuple[float, float]:
    """Return how many requests were timed, and how many of them took too long."""
    buckets = [
        (float(sample.labels["le"]), sample.value) for sample in samples if sample.name == name
    ]
    bound = min((bound for bound, _ in buckets if bound >= slow_seconds), default=float("inf"))
    timed = sum(count for at, count in buckets if at == float("inf"))
    return timed, timed - sum(count for at, count in buckets if at == bound)


def _count_by_status(samples: list["Sample"], name: str) -> Counter[int]:
    found = Counter[int]()
    for sample in samples:
        if sample.name == name:
            found[int(sample.labels["status"])] += int(sample.value)
    return found


def _is_ready(pod: object) -> bool:
    # kubernetes has no types
    conditions = pod.status.conditions or ()  # type: ignore[attr-defined]
    is_ending = pod.metadata.deletion_timestamp is not None  # type: ignore[attr-defined]
    return not is_ending and any(
        condition.type == "Ready" and condition.status == "True" for condition in conditions
    )
