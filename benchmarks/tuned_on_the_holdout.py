"""How often the best of equal settings is accepted, by how much of the holdout they were tuned on.

.venv/bin/python benchmarks/tuned_on_the_holdout.py
"""

import json

import numpy as np

from titlebout.metrics import paired_difference

BOUTS, SETTINGS, TUNED_ROWS, HOLDOUT_ROWS, CONFIDENCE = 1000, 24, 2_000, 1_000, 0.95


def main() -> None:
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
    """Share of BOUTS in which the setting that looked best in tuning beats an equal Champion on the holdout."""
    random, count = np.random.default_rng(2), 0
    seen = round(shared * HOLDOUT_ROWS)
    for setup in range(BOUTS):
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
    return count / BOUTS


if __name__ == "__main__":
    main()
