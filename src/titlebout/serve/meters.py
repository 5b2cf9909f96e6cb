"""Count what Prometheus reads at `/metrics`.

Labels take values from fixed sets alone: an unknown path makes no series.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from titlebout.serve.flat_json import SMALL_BYTES
from titlebout.serve.inference_table import InferenceTable

# From half a millisecond, what one row takes, to the seconds of a large table.
LATENCY_BUCKETS_SECONDS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
)


class _Large:
    """Count the large requests that are in work, and all that ever came.

    The event loop alone counts them.
    """

    in_work = came = 0


class Meters:
    """Count and time requests."""

    def __init__(self, table: InferenceTable, *, labels: dict[str, str]) -> None:
        """Register the metrics.

        `labels` say what is served, as one gauge that is always 1.
        """
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "titlebout_requests",
            "Requests answered",
            ["endpoint", "status"],
            registry=self._registry,
        )
        self._probes = Counter(
            "titlebout_probes",
            "Requests answered that the platform itself sent",
            ["endpoint", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "titlebout_request_seconds",
            "From the request's arrival to its answer",
            ["endpoint"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=self._registry,
        )
        self._undisturbed = Histogram(
            "titlebout_undisturbed_seconds",
            "From a small request's whole arrival to its prediction, "
            "where no large request was in work meanwhile",
            ["endpoint"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=self._registry,
        )
        self._large = _Large()
        self._rows = Counter("titlebout_rows_predicted", "Rows predicted", registry=self._registry)
        self._timers: dict[str, Histogram] = {}
        # Finding them by label takes as long as counting.
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._registry.register(_TableMeters(table, labels))

    def answered(self, endpoint: str, status: int, seconds: float, *, probe: bool) -> None:
        """Count an answer.

        A probe counts as any request does, and once more as a probe.
        """
        child = self._children.get((endpoint, status))
        if child is None:
            child = self._children[endpoint, status] = (
                self._requests.labels(endpoint, str(status)),
                self._seconds.labels(endpoint),
            )
        requests, duration = child
        requests.inc()
        duration.observe(seconds)
        if probe:
            self._probes.labels(endpoint, str(status)).inc()

    @contextmanager
    def working(self, endpoint: str, *, size: int) -> Iterator[None]:
        """Time the work on a small body that ends in a prediction, undisturbed by large ones.

        What a client can cause says nothing about the release: how slowly it sends, what it sends
        wrong, and the large requests that take the processor from the small ones.

        `size` is the body's size in bytes.
        """
        is_large = size > SMALL_BYTES
        self._large.in_work += is_large
        self._large.came += is_large
        came, calm = self._large.came, self._large.in_work == 0
        began = time.perf_counter()
        try:
            yield
            if calm and not is_large and came == self._large.came:
                self._timer(endpoint).observe(time.perf_counter() - began)
        finally:
            self._large.in_work -= is_large

    def _timer(self, endpoint: str) -> Histogram:
        if endpoint not in self._timers:
            self._timers[endpoint] = self._undisturbed.labels(endpoint)
        return self._timers[endpoint]

    def predicted(self, rows: int) -> None:
        """Count rows that were predicted."""
        self._rows.inc(rows)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class _TableMeters:
    """Read the inference table's counts when Prometheus asks."""

    def __init__(self, table: InferenceTable, labels: dict[str, str]) -> None:
        self._table, self._labels = table, labels

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the inference table and of the release."""
        counts = self._table.counts
        yield CounterMetricFamily(
            "titlebout_inference_rows_written", "Rows on disk", value=counts.written
        )
        yield CounterMetricFamily(
            "titlebout_inference_rows_dropped",
            "Rows lost, the queue being full",
            value=counts.dropped,
        )
        yield CounterMetricFamily(
            "titlebout_inference_rows_unwritable",
            "Rows lost that could not be made",
            value=counts.unwritable,
        )
        yield CounterMetricFamily(
            "titlebout_inference_write_failures",
            "Attempts that the disk refused",
            value=counts.failures,
        )
        yield GaugeMetricFamily(
            "titlebout_inference_rows_waiting",
            "Rows not yet on disk",
            value=self._table.waiting_rows,
        )
        yield GaugeMetricFamily(
            "titlebout_inference_bytes_waiting",
            "Memory of those rows, about",
            value=self._table.waiting_bytes,
        )
        yield GaugeMetricFamily(
            "titlebout_inference_works",
            "1 while rows can be made, as /readyz demands",
            value=self._table.works,
        )
        served = GaugeMetricFamily("titlebout_release", "What is served", labels=list(self._labels))
        served.add_metric(list(self._labels.values()), 1)
        yield served
