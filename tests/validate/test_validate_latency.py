"""The latency check blames the model for what the model does, and not for what a neighbour on the machine does."""

import time
from types import SimpleNamespace

from titlebout.validate.artifact_checks import TIMED_CALLS, WARM_UP_CALLS, latency_check

ALLOWED_MS = 5.0


class Clockwork:
    """A predictor that takes `seconds` for a row, and stalls at the calls that `stalls` names."""

    contract = SimpleNamespace(inputs=(), missing=())

    def __init__(self, *, seconds: float = 0.0, stalls: range = range(0)) -> None:
        self.seconds, self.stalls, self.calls = seconds, stalls, 0

    def scores(self, row):
        time.sleep(self.seconds + 0.02 * (self.calls in self.stalls))
        self.calls += 1


def test_a_slow_model_fails_in_every_window():
    """Twice what is allowed, always."""
    assert not latency_check(Clockwork(seconds=2 * ALLOWED_MS / 1000), p99_ms=ALLOWED_MS).passed


def test_a_neighbour_that_spoils_one_window_is_not_the_model_s_fault():
    """Some calls stall while the first window runs; the second tells."""
    spoilt = range(WARM_UP_CALLS, WARM_UP_CALLS + TIMED_CALLS, 30)
    assert latency_check(Clockwork(stalls=spoilt), p99_ms=ALLOWED_MS).passed


def test_a_model_that_stalls_now_and_then_fails():
    """One call in thirty, in every window."""
    assert not latency_check(Clockwork(stalls=range(0, 10**6, 30)), p99_ms=ALLOWED_MS).passed
