"""What Prometheus reads at `/metrics`. Labels take values from fixed sets alone, so a stranger's paths make no series."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from titlebout.serve.inference_table import InferenceTable

# From half a millisecond, what one row takes, to the seconds of a large table.
LATENCY_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Meters:
    def __init__(self, table: InferenceTable, *, labels: dict[str, str]) -> None:
        """`labels` say what is served, as one gauge that is always 1."""
        self._registry = CollectorRegistry()
        self._requests = Counter("titlebout_requests", "Requests answered", ["endpoint", "status"], registry=self._registry)
        self._probes = Counter(
            "titlebout_probes", "Requests answered that the platform itself sent", ["endpoint", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "titlebout_request_seconds",
            "From the request's arrival to its answer",
            ["endpoint"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=self._registry,
        )
        self._rows = Counter("titlebout_rows_predicted", "Rows predicted", registry=self._registry)
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}  # finding them by label takes as long as counting
        self._registry.register(_TableMeters(table, labels))

    def answered(self, endpoint: str, status: int, seconds: float, *, probe: bool) -> None:
        """A probe counts as any request does, and once more as what it is."""
        child = self._children.get((endpoint, status))
        if child is None:
            child = self._children[endpoint, status] = (self._requests.labels(endpoint, str(status)), self._seconds.labels(endpoint))
        requests, duration = child
        requests.inc()
        duration.observe(seconds)
        if probe:
            self._probes.labels(endpoint, str(status)).inc()

    def predicted(self, rows: int) -> None:
        self._rows.inc(rows)

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _TableMeters:
    """Read from the table when Prometheus asks."""

    def __init__(self, table: InferenceTable, labels: dict[str, str]) -> None:
        self._table, self._labels = table, labels

    def collect(self) -> Iterator[Metric]:
        counts = self._table.counts
        yield CounterMetricFamily("titlebout_inference_rows_written", "Rows on disk", value=counts.written)
        yield CounterMetricFamily("titlebout_inference_rows_dropped", "Rows lost, the queue being full", value=counts.dropped)
        yield CounterMetricFamily("titlebout_inference_rows_unwritable", "Rows lost that could not be made", value=counts.unwritable)
        yield CounterMetricFamily("titlebout_inference_write_failures", "Attempts that the disk refused", value=counts.failures)
        yield GaugeMetricFamily("titlebout_inference_rows_waiting", "Rows not yet on disk", value=self._table.waiting_rows)
        yield GaugeMetricFamily("titlebout_inference_bytes_waiting", "Memory of those rows, about", value=self._table.waiting_bytes)
        yield GaugeMetricFamily("titlebout_inference_works", "1 while rows can be made, as /readyz demands", value=self._table.works)
        served = GaugeMetricFamily("titlebout_release", "What is served", labels=list(self._labels))
        served.add_metric(list(self._labels.values()), 1)
        yield served
