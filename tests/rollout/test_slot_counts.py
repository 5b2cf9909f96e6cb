"""What a slot's servers tell of themselves, read as counts of requests."""

from titlebout.rollout.slot_counts import parse

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
    """Neither a full server, nor a wrong method, nor the bad rows that the platform's own tests send."""
    counted = parse(METRICS, slow_seconds=0.05)
    assert (counted.refused, counted.asked) == (3 + 5 + 1 - 2, 118 - 52)


def test_errors_and_slow_answers_are_counted_of_all_requests():
    """A full server's 503 is no error."""
    counted = parse(METRICS, slow_seconds=0.05)
    assert (counted.requests, counted.errors, counted.slow) == (118, 2, 17)


def test_a_server_that_counts_no_probes_was_asked_by_clients_alone():
    """An image of before."""
    counted = parse(METRICS.replace("probes", "other"), slow_seconds=0.05)
    assert (counted.asked, counted.refused) == (118, 9)
