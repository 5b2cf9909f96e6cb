"""How often the canary's sequential gate is wrong under continuous peeking, and how soon it is right; figures of docs/strategies.md.

.venv/bin/python benchmarks/sequential_gate.py
"""

import numpy as np
from scipy.stats import norm

from titlebout.metrics.sequential import Tally, log_evidence_beyond, log_evidence_within

WORLDS, LOOKS, REQUESTS_A_LOOK, WEIGHT, ALPHA = 1000, 200, 100, 0.25, 0.05
CASES = [(0.03, 0.02, difference) for difference in (0.0, 0.02, 0.05, 0.10)] + [
    (0.001, 0.01, difference) for difference in (0.0, 0.01, 0.03, 0.1)
]


def main() -> None:
    print(
        "share | tolerance | worse by | ever stopped (median requests) | ever let on | ever stopped by a peeked z test"
    )
    for share, tolerance, difference in CASES:
        incumbent, candidate = watched(share, share + difference)
        beyond, within = (
            found(incumbent, candidate, tolerance)
            for found in (log_evidence_beyond, log_evidence_within)
        )
        naive = -norm.logsf(z(incumbent, candidate, tolerance))
        print(
            f"{share} | {tolerance} | {difference} | {when(beyond)} | {when(within)} | {when(naive)}",
            flush=True,
        )


def watched(share: float, others: float) -> tuple[Tally, Tally]:
    rng = np.random.default_rng(0)
    requests = np.full((WORLDS, LOOKS), REQUESTS_A_LOOK)
    of_candidate = rng.binomial(requests, WEIGHT)
    pairs = ((share, requests - of_candidate), (others, of_candidate))
    first, second = (
        Tally(*(np.cumsum(part, axis=1, dtype=float) for part in (rng.binomial(n, p), n)))
        for p, n in pairs
    )
    return first, second


def z(incumbent: Tally, candidate: Tally, tolerance: float) -> np.ndarray:
    shares = [(tally.hits + 0.5) / (tally.requests + 1) for tally in (incumbent, candidate)]
    variance = sum(
        p * (1 - p) / (tally.requests + 1)
        for p, tally in zip(shares, (incumbent, candidate), strict=True)
    )
    return (shares[1] - shares[0] - tolerance) / np.sqrt(variance)


def when(evidence: np.ndarray) -> str:
    reached = evidence >= np.log(1 / ALPHA)
    ever = reached.any(axis=1)
    looks = np.median(reached.argmax(axis=1)[ever] + 1) if ever.any() else float("nan")
    return f"{ever.mean():.3f} ({looks * REQUESTS_A_LOOK:.0f})"


if __name__ == "__main__":
    main()
