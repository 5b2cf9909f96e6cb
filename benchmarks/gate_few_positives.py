"""Simulate how often the gate decides between equals with few positives; figures of docs/gate.md.

It compares the rule before with the rule now.

.venv/bin/python benchmarks/gate_few_positives.py
"""

import json
from collections import Counter

import numpy as np
from scipy.optimize import brentq

from titlebout.gate.reach_verdict import ComparisonSetup, Scored, reach_verdict
from titlebout.metrics import paired_difference
from titlebout.spec import GatePolicy

COMPARISONS = 1000
SETUP = ComparisonSetup(
    "m", "log_loss", "champion", "a" * 64, "b" * 64, "d" * 64, None, GatePolicy(), 0.95, 0
)


def main() -> None:
    """Compare two constant models of the same expected log loss.

    One predicts too much, the other too little.
    """
    for rows, share in (
        (200, 0.01),
        (200, 0.03),
        (200, 0.06),
        (200, 0.2),
        (40, 0.1),
        (40, 0.3),
        (16, 0.5),
    ):
        random, before, now = np.random.default_rng(0), Counter[str](), Counter[str]()
        high = min(1.6 * share, 0.5 + 0.4 * share)
        low = brentq(lambda p, s=share, h=high: _loss(s, p) - _loss(s, h), 1e-9, share)
        for _ in range(COMPARISONS):
            y = (random.random(rows) < share).astype(int)
            models = np.full(rows, high), np.full(rows, low)
            lead = paired_difference("log_loss", y, *models, blocks=None, confidence=0.95, seed=0)
            before[
                "accept" if lead.low > 0 else "reject" if lead.high <= 0 else "inconclusive"
            ] += 1
            now[reach_verdict(SETUP, Scored(y, *models, None)).verdict] += 1
        rates = {
            when: {verdict: found[verdict] / COMPARISONS for verdict in ("accept", "reject")}
            for when, found in (("before", before), ("now", now))
        }
        print(json.dumps({"holdout rows": rows, "share of positives": share, **rates}), flush=True)


def _loss(share: float, predicted: float) -> float:
    return float(-(share * np.log(predicted) + (1 - share) * np.log(1 - predicted)))


if __name__ == "__main__":
    main()
