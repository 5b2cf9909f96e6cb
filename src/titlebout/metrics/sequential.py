"""Decide at any moment of a canary: go on, stop or wait, at a stated rate of false alarms.

Each signal is a share of requests (errors, slow answers, refusals), counted in both slots at the
same time. For a share p, take the product of binomial likelihood ratios, mixed over Jeffreys'
prior. It is a martingale that starts at 1 (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon
2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences"). So is the product of the
two slots' martingales.

Its smallest value over all pairs of shares that a hypothesis allows is evidence against the
hypothesis. If the hypothesis is true, the value ever reaches 1/alpha with a chance of at most
alpha, however often one looks (Ville's inequality). A test of fixed length has no such bound.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, xlog1py, xlogy

Counts = npt.NDArray[np.float64]
Step = Literal["go on", "stop", "wait"]
# Jeffreys' prior. The mixture then loses only half a logarithm of the count, whatever the share.
PRIOR = 0.5
SEARCH_STEPS = 60  # of a golden section: the interval shrinks to 3e-13
GOLDEN = (np.sqrt(5) - 1) / 2


class Tally(NamedTuple):
    """Count `requests`, and how many of them were `hits` of the signal.

    Both are numbers, or arrays of equal shape.
    """

    hits: Counts
    requests: Counts


class Signal(NamedTuple):
    """Hold the counts of one share in both slots. It may grow by no more than the tolerance."""

    name: str
    incumbent: Tally
    candidate: Tally
    tolerance: float


class StepDecision(NamedTuple):
    """Hold what the sequential gate says, and the signal that decided it."""

    step: Step
    signal: str


def decide_step(signals: Sequence[Signal], *, false_alarm: float, steps: int) -> StepDecision:
    """Stop at the first signal beyond its tolerance, go on when all are within, else wait.

    A candidate within every tolerance is stopped in any of `steps` steps with a chance of at most
    `false_alarm`, which is divided among steps and signals. A candidate beyond a tolerance passes a
    step with a chance of at most `false_alarm`. That is not divided, since every signal must agree.
    """
    to_stop, to_go = np.log(steps * len(signals) / false_alarm), np.log(1 / false_alarm)
    waiting = ""
    for signal in signals:
        if log_evidence_beyond(signal.incumbent, signal.candidate, signal.tolerance) >= to_stop:
            return StepDecision("stop", signal.name)
        if log_evidence_within(signal.incumbent, signal.candidate, signal.tolerance) < to_go:
            waiting = waiting or signal.name
    return StepDecision("wait", waiting) if waiting else StepDecision("go on", "every signal")


def log_evidence_beyond(incumbent: Tally, candidate: Tally, tolerance: float) -> Counts:
    """Return the log evidence that the candidate's share exceeds the incumbent's + tolerance.

    It is the evidence against the hypothesis that the share is at most that.
    """
    return _against(incumbent, candidate, tolerance, allowed=lambda a, b: b <= a + tolerance)


def log_evidence_within(incumbent: Tally, candidate: Tally, tolerance: float) -> Counts:
    """Return the log evidence that the candidate's share is below the incumbent's + tolerance.

    It is the evidence against the hypothesis that the share is at least that.
    """
    return _against(incumbent, candidate, tolerance, allowed=lambda a, b: b >= a + tolerance)


def log_evidence_above(tally: Tally, share: float) -> Counts:
    """Return the log evidence that the true share, of one slot or of pairs, exceeds `share`."""
    return np.where(_share(tally) > share, _log_martingale(tally, np.asarray(share)), 0.0)


def _against(
    incumbent: Tally,
    candidate: Tally,
    tolerance: float,
    *,
    allowed: Callable[[Counts, Counts], npt.NDArray[np.bool_]],
) -> Counts:
    """Return the martingale's smallest logarithm over the hypothesis.

    It lies at the observed shares if the hypothesis allows them, else on its border.
    """
    share_a, share_b = _share(incumbent), _share(candidate)
    free = _log_martingale(incumbent, share_a) + _log_martingale(candidate, share_b)
    border = _smallest(
        lambda p: _log_martingale(incumbent, p) + _log_martingale(candidate, p + tolerance),
        share_a,
        top=1 - tolerance,
    )
    return np.where(allowed(share_a, share_b), free, border)


def _share(tally: Tally) -> Counts:
    return np.asarray(tally.hits / np.maximum(tally.requests, 1), dtype=np.float64)


def _log_martingale(tally: Tally, share: Counts) -> Counts:
    """Return the logarithm of the mixture's likelihood over that of `share`."""
    misses = tally.requests - tally.hits
    mixed = betaln(tally.hits + PRIOR, misses + PRIOR) - betaln(PRIOR, PRIOR)
    return np.asarray(mixed - xlogy(tally.hits, share) - xlog1py(misses, -share), dtype=np.float64)


def _smallest(function: Callable[[Counts], Counts], shape_of: Counts, *, top: float) -> Counts:
    """Return the smallest value over [0, top] by golden section. The function is convex."""
    low, high = np.zeros_like(shape_of), np.full_like(shape_of, top)
    for _ in range(SEARCH_STEPS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        is_left = function(left) < function(right)
        low, high = np.where(is_left, low, left), np.where(is_left, right, high)
    return function((low + high) / 2)
