"""Count the requests of a slot's servers from their metrics."""

import pytest
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as PrometheusCounter
from support.fake_gateway import FakePods, api_of, metrics_page

from titlebout.rollout.slot_counts import Counted, Growth, SlotCounts, parse_counts
from titlebout.spec import RolloutError

METRICS = """titlebout_requests_total{endpoint="/predict",status="200"} 90.0
titlebout_requests_total{endpoint="/predict",status="400"} 3.0
titlebout_requests_total{endpoint="/predict",status="405"} 4.0
titlebout_requests_total{endpoint="/predict",status="422"} 5.0
titlebout_requests_total{endpoint="/predict",status="429"} 6.0
titlebout_requests_total{endpoint="/predict",status="500"} 2.0
titlebout_requests_total{endpoint="/predict",status="503"} 7.0
titlebout_requests_total{endpoint="/invocations",status="422"} 1.0
titlebout_requests_total{endpoint="unknown",status="404"} 1000.0
titlebout_probes_total{endpoint="/predict",status="200"} 50.0
titlebout_probes_total{endpoint="/predict",status="422"} 2.0
titlebout_request_seconds_bucket{endpoint="/predict",le="0.05"} 100.0
titlebout_request_seconds_bucket{endpoint="/predict",le="+Inf"} 117.0
"""


def test_only_what_a_client_was_refused_for_its_rows_is_a_refusal():
    """Count a refusal only if a client's rows were refused.

    A full server, a wrong method and bad rows of the platform's own tests do not count.
    """
    counted = parse_counts(METRICS, slow_seconds=0.05)
    assert (counted.refused, counted.asked) == (3 + 5 + 1 - 2, 118 - 52)


def test_errors_and_slow_answers_are_counted_of_all_requests():
    """Errors and slow answers count; a full server's 503 is no error."""
    counted = parse_counts(METRICS, slow_seconds=0.05)
    assert (counted.requests, counted.errors, counted.slow) == (118, 2, 17)


def test_a_server_that_counts_no_probes_was_asked_by_clients_alone():
    """An older server that counts no probes was asked by clients alone."""
    counted = parse_counts(METRICS.replace("probes", "other"), slow_seconds=0.05)
    assert (counted.asked, counted.refused) == (118, 9)


def test_the_page_of_a_real_server_is_read_among_its_other_series():
    """Read a real page with HELP and TYPE lines, and a label with a quotation mark."""
    registry = CollectorRegistry()
    requests = PrometheusCounter(
        "titlebout_requests", "Requests", ["endpoint", "status"], registry=registry
    )
    seconds = Histogram(
        "titlebout_request_seconds", "Time", ["endpoint"], buckets=(0.01, 0.05), registry=registry
    )
    Gauge("titlebout_release", "Served", ["name"], registry=registry).labels('a "b"').set(1)
    for status, took in (("200", 0.001), ("200", 0.03), ("500", 2.0)):
        requests.labels("/predict", status).inc()
        seconds.labels("/predict").observe(took)
    counted = parse_counts(generate_latest(registry).decode(), slow_seconds=0.05)
    assert (counted.requests, counted.errors, counted.slow) == (3, 1, 1)


def test_a_count_that_cannot_be_read_is_an_error_and_no_count():
    """A page that was cut off is an error, not a server without errors."""
    with pytest.raises(RolloutError, match="expected the text format of Prometheus"):
        parse_counts(METRICS + 'titlebout_requests_total{endpoint="/predict"', slow_seconds=0.05)


def test_a_server_that_told_nothing_at_first_does_not_bring_its_past():
    """A server without counts at first begins with its first counts.

    It was not ready then, or its metrics came too late. Last week's requests are no evidence of
    today.
    """
    growth = Growth({"a": Counted(100, 0, 0, 100, 0), "b": None})
    assert growth.to({"a": Counted(110, 0, 0, 110, 0)}).requests == 10
    assert growth.to(
        {"a": Counted(110, 0, 0, 110, 0), "b": Counted(10_000, 50, 0, 10_000, 0)}
    ) == Counted(10, 0, 0, 10, 0)
    assert growth.to({"b": Counted(10_003, 51, 0, 10_003, 0)}) == Counted(13, 1, 0, 13, 0)


def test_a_server_that_is_younger_counts_from_zero():
    """A server that the autoscaler added counts from zero."""
    assert Growth({"a": None}).to({"young": Counted(7, 1, 0, 7, 0)}) == Counted(7, 1, 0, 7, 0)


def test_a_server_whose_counts_fell_since_the_first_look_began_anew():
    """A server restarted if its counts fell; a younger or silent one did not."""
    growth = Growth({"a": Counted(100, 0, 0, 100, 0), "b": None})
    assert growth.began_anew({"b": Counted(1, 0, 0, 1, 0), "young": Counted(1, 0, 0, 1, 0)}) is None
    assert growth.began_anew({"a": Counted(99, 0, 0, 99, 0)}) == "a"


def test_a_pod_that_is_late_at_the_first_look_counts_from_its_first_word():
    """A pod that timed out at first counts from its first answer.

    Else all of its past would be evidence of now.
    """
    pods = FakePods({("blue", "a"): metrics_page(100), ("blue", "late"): None})
    counts = SlotCounts(
        api_of(pods=pods), namespace="ring-prod", model="tiny", slot="blue", p99_ms=1000
    )
    pods.metrics |= {
        ("blue", "a"): metrics_page(110),
        ("blue", "late"): metrics_page(10_000, errors=900),
        ("blue", "young"): metrics_page(5),
    }
    assert (counts.since().requests, counts.since().errors) == (15, 0)
