"""The sequential gate keeps its stated rates under continuous peeking; a test of fixed length, peeked at, does not."""

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


def watched(*, incumbent: float, candidate: float, seed: int) -> tuple[Tally, Tally]:
    """Both slots' counts at every look, worlds × looks."""
    rng = np.random.default_rng(seed)
    requests = np.full((WORLDS, LOOKS), REQUESTS_A_LOOK)
    of_candidate = rng.binomial(requests, WEIGHT)

    def tally(share: float, requests) -> Tally:
        return Tally(
            np.cumsum(rng.binomial(requests, share), axis=1).astype(float),
            np.cumsum(requests, axis=1).astype(float),
        )

    return tally(incumbent, requests - of_candidate), tally(candidate, of_candidate)


def ever(evidence) -> float:
    """In what share of the worlds some look found it to reach 1/alpha."""
    return float((evidence >= np.log(1 / ALPHA)).any(axis=1).mean())


def naive_evidence(incumbent: Tally, candidate: Tally):
    """Of a one-sided z test that takes every look for its only one, on the same scale."""
    shares = [(tally.hits + 0.5) / (tally.requests + 1) for tally in (incumbent, candidate)]
    variance = sum(
        share * (1 - share) / (tally.requests + 1)
        for share, tally in zip(shares, (incumbent, candidate), strict=True)
    )
    return -norm.logsf((shares[1] - shares[0] - TOLERANCE) / np.sqrt(variance))


def test_false_stops_stay_below_the_stated_rate_at_the_worst_harmless_candidate():
    """A candidate exactly at the tolerance is stopped in at most 5 % of the worlds, looked at two hundred times."""
    incumbent, candidate = watched(incumbent=SHARE, candidate=SHARE + TOLERANCE, seed=1)
    assert ever(log_evidence_beyond(incumbent, candidate, TOLERANCE)) <= ALPHA


def test_false_goes_stay_below_the_stated_rate_at_the_least_harmful_candidate():
    """A candidate exactly at the tolerance is let on in at most 5 % of the worlds, looked at two hundred times."""
    incumbent, candidate = watched(incumbent=SHARE, candidate=SHARE + TOLERANCE, seed=2)
    assert ever(log_evidence_within(incumbent, candidate, TOLERANCE)) <= ALPHA


def test_a_test_of_fixed_length_that_is_peeked_at_exceeds_the_rate():
    """The broken variant: the same worlds, a z test at each look, and more than twice the stated false stops."""
    incumbent, candidate = watched(incumbent=SHARE, candidate=SHARE + TOLERANCE, seed=1)
    assert ever(naive_evidence(incumbent, candidate)) > 2 * ALPHA


@pytest.mark.parametrize(
    ("candidate", "evidence"),
    [(SHARE + 0.10, log_evidence_beyond), (SHARE - 0.02, log_evidence_within)],
    ids=["harm", "no harm"],
)
def test_it_has_power(candidate, evidence):
    """Clear harm, and a clear lack of it, are found in more than 95 % of the worlds."""
    assert ever(evidence(*watched(incumbent=SHARE, candidate=candidate, seed=3), TOLERANCE)) > 0.95


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
    """Within the tolerance, beyond it, undecided; fewer errors are no harm."""
    assert decide_step([signal(hits=hits)], false_alarm=ALPHA, steps=3).step == step


def test_one_undecided_signal_holds_back_the_others():
    """It waits, and says for what."""
    found = decide_step(
        [signal(hits=(300, 300)), signal(hits=(300, 400))._replace(name="slow")],
        false_alarm=ALPHA,
        steps=3,
    )
    assert found == ("wait", "slow")


def test_nothing_counted_waits():
    """Without requests there is no evidence either way."""
    nothing = Tally(np.float64(0), np.float64(0))
    assert (
        decide_step([Signal("errors", nothing, nothing, 0.01)], false_alarm=ALPHA, steps=1).step
        == "wait"
    )
