"""Simulate how often the best of equal settings is accepted if they were tuned on the holdout.

.venv/bin/python benchmarks/tuned_on_the_holdout.py
"""

import json

import numpy as np

from titlebout.metrics import paired_difference

COMPARISONS = 1000
SETTINGS = 24
TUNED_ROWS = 2_000
HOLDOUT_ROWS = 1_000
CONFIDENCE = 0.95


def main() -> None:
    """Print the shares as JSON, by how much of the holdout they were tuned on."""
    for shared in (0.0, 0.42, 1.0):
        print(
            json.dumps(
                {
                    "of the holdout's rows tuned on": shared,
                    "equals accepted": round(accepted(shared), 3),
                }
            )
        )


def accepted(shared: float) -> float:
    """Return the share of comparisons in which the best tuned setting beats an equal Champion."""
    random, count = np.random.default_rng(2), 0
    seen = round(shared * HOLDOUT_ROWS)
    for setup in range(COMPARISONS):
        losses = random.normal(size=(SETTINGS + 1, TUNED_ROWS + HOLDOUT_ROWS - seen))
        champion, candidates = losses[0], losses[1:]
        best = candidates[candidates[:, :TUNED_ROWS].mean(axis=1).argmin()]
        lead = paired_difference(
            "mae",
            np.zeros(HOLDOUT_ROWS),
            9 + best[-HOLDOUT_ROWS:],
            9 + champion[-HOLDOUT_ROWS:],
            blocks=None,
            confidence=CONFIDENCE,
            seed=setup,
        )
        count += lead.low > 0
    return count / COMPARISONS


if __name__ == "__main__":
    main()
