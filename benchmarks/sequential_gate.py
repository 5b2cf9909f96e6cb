"""Simulate the canary's sequential gate: how often it is wrong when it looks all the time.

And how soon it is right. These are figures of docs/strategies.md.

.venv/bin/python benchmarks/sequential_gate.py
"""

import numpy as np
from scipy.stats import norm

from titlebout.metrics.sequential import Tally, log_evidence_beyond, log_evidence_within

RUNS = 1000
LOOKS = 200
REQUESTS_A_LOOK = 100
WEIGHT = 0.25
ALPHA = 0.05
CASES = [(0.03, 0.02, difference) for difference in (0.0, 0.02, 0.05, 0.10)] + [
    (0.001, 0.01, difference) for difference in (0.0, 0.01, 0.03, 0.1)
]


def main() -> None:
    """Print a line for each case."""
    print(
        "share | tolerance | worse by | ever stopped (median requests) | ever let on | "
        "ever stopped by a repeated z test"
    )
    for share, tolerance, difference in CASES:
        incumbent, candidate = draw_counts(share, share + difference)
        beyond, within = (
            found(incumbent, candidate, tolerance)
            for found in (log_evidence_beyond, log_evidence_within)
        )
        naive = -norm.logsf(z(incumbent, candidate, tolerance))
        print(
            f"{share} | {tolerance} | {difference} | {stops(beyond)} | {stops(within)} | "
            f"{stops(naive)}",
            flush=True,
        )


def draw_counts(share: float, others: float) -> tuple[Tally, Tally]:
    """Draw both releases' counts at every look."""
    rng = np.random.default_rng(0)
    requests = np.full((RUNS, LOOKS), REQUESTS_A_LOOK)
    of_candidate = rng.binomial(requests, WEIGHT)
    pairs = ((share, requests - of_candidate), (others, of_candidate))
    first, second = (
        Tally(*(np.cumsum(part, axis=1, dtype=float) for part in (rng.binomial(n, p), n)))
        for p, n in pairs
    )
    return first, second


def z(incumbent: Tally, candidate: Tally, tolerance: float) -> np.ndarray:
    """Return the z statistic of a test that ignores how often it looks."""
    shares = [(tally.hits + 0.5) / (tally.requests + 1) for tally in (incumbent, candidate)]
    variance = sum(
        p * (1 - p) / (tally.requests + 1)
        for p, tally in zip(shares, (incumbent, candidate), strict=True)
    )
    return (shares[1] - shares[0] - tolerance) / np.sqrt(variance)


def stops(evidence: np.ndarray) -> str:
    """Return the share of runs that ever stop, and their median requests."""
    reached = evidence >= np.log(1 / ALPHA)
    ever = reached.any(axis=1)
    looks = np.median(reached.argmax(axis=1)[ever] + 1) if ever.any() else float("nan")
    return f"{ever.mean():.3f} ({looks * REQUESTS_A_LOOK:.0f})"


if __name__ == "__main__":
    main()
