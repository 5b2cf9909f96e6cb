"""Simulate how often the report calls an honest candidate worse than its cross-validation.

These are figures of docs/training.md.

.venv/bin/python benchmarks/worse_than_folds.py
"""

import json

import numpy as np
from scipy.special import stdtrit

CANDIDATES, FOLDS, CONFIDENCE = 20_000, 3, 0.975


def main() -> None:
    """Draw log losses, and print how often candidates are named.

    They are alike for folds and holdout, or worse on the holdout by a share of their spread.
    """
    random = np.random.default_rng(0)
    for train, holdout in ((300, 100), (3000, 1000)):
        for shift in (0.0, 0.2, 0.5):
            folds = random.normal(0, 1 / np.sqrt(train / FOLDS), (CANDIDATES, FOLDS))
            error = 1 / np.sqrt(holdout)
            found = random.normal(shift, error, CANDIDATES)
            before = found > folds.max(axis=1) + np.ptp(folds, axis=1)
            predicted = folds.mean(axis=1) + stdtrit(FOLDS - 1, CONFIDENCE) * folds.std(
                axis=1, ddof=1
            ) / np.sqrt(FOLDS)
            now = found - stdtrit(holdout - 1, CONFIDENCE) * error > predicted
            rates = {
                "named before": round(float(before.mean()), 3),
                "named now": round(float(now.mean()), 3),
            }
            print(
                json.dumps(
                    {"training rows": train, "holdout rows": holdout, "worse by": shift, **rates}
                )
            )


if __name__ == "__main__":
    main()
