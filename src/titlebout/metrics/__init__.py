"""Compute the metrics of `spec.METRICS`, and say how certain each value is."""

from titlebout.metrics.checked import TooFew
from titlebout.metrics.disagreement import disagreement, spread_of
from titlebout.metrics.intervals import PairedDifference, interval, paired_difference
from titlebout.metrics.scores import DECISION_AT, LOG_LOSS_EPSILON, score, statistic
from titlebout.metrics.sequential import (
    Signal,
    StepDecision,
    Tally,
    decide_step,
    log_evidence_above,
    log_evidence_beyond,
)
from titlebout.metrics.spread import MINIMUM_UNITS, RESAMPLES

__all__ = [
    "DECISION_AT",
    "LOG_LOSS_EPSILON",
    "MINIMUM_UNITS",
    "RESAMPLES",
    "PairedDifference",
    "Signal",
    "StepDecision",
    "Tally",
    "TooFew",
    "decide_step",
    "disagreement",
    "interval",
    "log_evidence_above",
    "log_evidence_beyond",
    "paired_difference",
    "score",
    "spread_of",
    "statistic",
]
