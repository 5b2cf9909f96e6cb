"""Keep the sequential gate's stated rates under continuous looks, unlike a test of fixed length."""

import numpy as np
import pytest
from scipy.stats import norm

from titlebout.metrics.sequential import (
    Signal,
    Tally,
    decide_step,
    log_evidence_beyond,
    log_evidence_within,
)

WORLDS, LOOKS, REQUESTS_A_LOOK = 1000, 200, 25  # 5,000 requests in all
SHARE, TOLERANCE, ALPHA = 0.03, 0.02, 0.05
WEIGHT = 0.25  # of the candidate


def counts_at_looks(*, incumbent: float, candidate: float, seed: int) -> tuple[Tally, Tally]:
    """Return both slots' counts at every look, worlds × looks."""
    rng = np.random.default_rng(seed)
    requests = np.full((WORLDS, LOOKS), REQUESTS_A_LOOK)
    of_candidate = rng.binomial(requests, WEIGHT)

    def tally(share: float, requests) -> Tally:
        return Tally(
            np.cumsum(rng.binomial(requests, share), axis=1).astype(float),
            np.cumsum(requests, axis=1).astype(float),
        )

    return tally(incumbent, requests - of_candidate), tally(candidate, of_candidate)


def share_that_reaches(evidence) -> float:
    """Return the share of worlds in which the evidence reaches 1/alpha at some look."""
    return float((evidence >= np.log(1 / ALPHA)).any(axis=1).mean())


def naive_evidence(incumbent: Tally, candidate: Tally):
    """Return on the same scale the evidence of a z test that takes every look for its only one."""
    shares = [(tally.hits + 0.5) / (tally.requests + 1) for tally in (incumbent, candidate)]
    variance = sum(
        share * (1 - share) / (tally.requests + 1)
        for share, tally in zip(shares, (incumbent, candidate), strict=True)
    )
    return -norm.logsf((shares[1] - shares[0] - TOLERANCE) / np.sqrt(variance))


def test_false_stops_stay_below_the_stated_rate_at_the_worst_harmless_candidate():
    """Stop a candidate exactly at the tolerance in at most 5 % of the worlds, in 200 looks."""
    incumbent, candidate = counts_at_looks(incumbent=SHARE, candidate=SHARE + TOLERANCE, seed=1)
    assert share_that_reaches(log_evidence_beyond(incumbent, candidate, TOLERANCE)) <= ALPHA


def test_false_goes_stay_below_the_stated_rate_at_the_least_harmful_candidate():
    """Let a candidate exactly at the tolerance go on in at most 5 % of the worlds, in 200 looks."""
    incumbent, candidate = counts_at_looks(incumbent=SHARE, candidate=SHARE + TOLERANCE, seed=2)
    assert share_that_reaches(log_evidence_within(incumbent, candidate, TOLERANCE)) <= ALPHA


def test_a_test_of_fixed_length_at_every_look_exceeds_the_rate():
    """Exceed twice the stated false stops by the broken variant, a z test at each look."""
    incumbent, candidate = counts_at_looks(incumbent=SHARE, candidate=SHARE + TOLERANCE, seed=1)
    assert share_that_reaches(naive_evidence(incumbent, candidate)) > 2 * ALPHA


@pytest.mark.parametrize(
    ("candidate", "evidence"),
    [(SHARE + 0.10, log_evidence_beyond), (SHARE - 0.02, log_evidence_within)],
    ids=["harm", "no harm"],
)
def test_it_has_power(candidate, evidence):
    """Find clear harm, and a clear lack of it, in more than 95 % of the worlds."""
    assert (
        share_that_reaches(
            evidence(*counts_at_looks(incumbent=SHARE, candidate=candidate, seed=3), TOLERANCE)
        )
        > 0.95
    )


def signal(*, hits: tuple[int, int]) -> Signal:
    return Signal(
        "share",
        Tally(np.float64(hits[0]), np.float64(1000)),
        Tally(np.float64(hits[1]), np.float64(1000)),
        0.1,
    )


@pytest.mark.parametrize(
    ("hits", "step"),
    [((300, 300), "go on"), ((300, 550), "stop"), ((300, 400), "wait"), ((500, 300), "go on")],
)
def test_three_answers(hits, step):
    """Go on within the tolerance or with fewer errors, stop beyond it, and wait if undecided."""
    assert decide_step([signal(hits=hits)], false_alarm=ALPHA, steps=3).step == step


def test_one_undecided_signal_holds_back_the_others():
    """Wait for one undecided signal, and name it."""
    found = decide_step(
        [signal(hits=(300, 300)), signal(hits=(300, 400))._replace(name="slow")],
        false_alarm=ALPHA,
        steps=3,
    )
    assert found == ("wait", "slow")


def test_nothing_counted_waits():
    """Wait without requests, as there is no evidence for either side."""
    nothing = Tally(np.float64(0), np.float64(0))
    assert (
        decide_step([Signal("errors", nothing, nothing, 0.01)], false_alarm=ALPHA, steps=1).step
        == "wait"
    )
