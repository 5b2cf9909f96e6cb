"""Fail a model for its own latency, and not for other processes of the machine."""

import time
from types import SimpleNamespace

from titlebout.validate.artifact_checks import TIMED_CALLS, WARM_UP_CALLS, latency_check

ALLOWED_MS = 5.0


class TimedPredictor:
    """Take `seconds` for a row, and stall at the calls that `stalls` names."""

    contract = SimpleNamespace(inputs=(), missing=())

    def __init__(self, *, seconds: float = 0.0, stalls: range = range(0)) -> None:
        self.seconds, self.stalls, self.calls = seconds, stalls, 0

    def scores(self, row):
        time.sleep(self.seconds + 0.02 * (self.calls in self.stalls))
        self.calls += 1


def test_a_slow_model_fails_in_every_window():
    """Fail a model that always takes twice the allowed time."""
    assert not latency_check(
        TimedPredictor(seconds=2 * ALLOWED_MS / 1000), p99_ms=ALLOWED_MS
    ).passed


def test_a_model_that_another_process_slows_in_one_window_passes():
    """Pass a model whose calls stall in the first window, but not in the second."""
    first_window = range(WARM_UP_CALLS, WARM_UP_CALLS + TIMED_CALLS, 30)
    assert latency_check(TimedPredictor(stalls=first_window), p99_ms=ALLOWED_MS).passed


def test_a_model_that_stalls_now_and_then_fails():
    """Fail a model of which one call in thirty stalls, in every window."""
    assert not latency_check(TimedPredictor(stalls=range(0, 10**6, 30)), p99_ms=ALLOWED_MS).passed
