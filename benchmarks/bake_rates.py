"""Simulate how often a bake blames a release. Nothing is timed.

It blames by clients' requests that the release fails, and by how far its predictions moved.

python benchmarks/bake_rates.py [--runs 300]
"""

import argparse
import json

import numpy as np

from titlebout.release.prediction_shift import MOST_ROWS
from titlebout.release.replay import ClientCounts, fault_of

REQUESTS = (500, 3000)  # in a bake: 5 and 30 seconds at 100 a second
LOOKS = 25
SHARES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
HOLDOUT, ALLOWED = 1000, 0.3


def main() -> None:
    """Print the rates as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=300)
    runs, rng = parser.parse_args().runs, np.random.default_rng(0)
    found = {
        kind: {
            share: [blamed(kind, share, requests, runs=runs, rng=rng) for requests in REQUESTS]
            for share in SHARES
        }
        for kind in ("errors", "refusals")
    }
    moved = {
        f"{shown} in the gate, {more} more": went_back(shown, more, rng=rng)
        for shown in (0.02, 0.1, 0.3)
        for more in (0.0, 0.1, 0.2, 0.4)
    }
    print(
        json.dumps(
            {"share that only this release fails": found, "predictions moved": moved}, indent=1
        )
    )


def blamed(kind: str, share: float, requests: int, *, runs: int, rng: np.random.Generator) -> float:
    """Return the share of bakes that blame a release which fails this share of requests.

    The release before answers those requests. The bake looks LOOKS times.
    """
    looks = np.linspace(requests // LOOKS, requests, LOOKS).astype(int)
    hits = 0
    for _ in range(runs):
        failed = np.cumsum(rng.random(requests) < share)
        hits += any(
            fault_of(kind, {"a client": ClientCounts(look, failed[look - 1])}) for look in looks
        )
    return hits / runs


def went_back(shown: float, more: float, *, rng: np.random.Generator, bakes: int = 2000) -> float:
    """Return the share of bakes that send a release back by its predictions.

    They differ from the old release's as in the gate, and in `more` of the rows besides.
    """
    in_gate = rng.binomial(HOLDOUT, shown, bakes) / HOLDOUT
    in_bake = rng.binomial(MOST_ROWS, shown + more, bakes) / MOST_ROWS
    return float(np.mean(in_bake > in_gate + ALLOWED * (1 - in_gate)))


if __name__ == "__main__":
    main()
