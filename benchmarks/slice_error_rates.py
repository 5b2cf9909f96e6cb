"""Simulate how often validation fails a model by its slices, before and now.

These are figures of docs/training.md.

.venv/bin/python benchmarks/slice_error_rates.py
"""

import json

import numpy as np
from numpy.typing import NDArray

from titlebout.metrics import interval
from titlebout.spec import Estimate, SliceResult
from titlebout.validate.slice_check import against_worst

TABLES = 400
SLICES = 10
ROWS = 300
WORST = 0.5
CONFIDENCE = 0.95


def main() -> None:
    """Draw absolute errors from exponential distributions, and print the shares as JSON.

    Ten slices are better than allowed by 0.02, then one of them is worse by so much.
    """
    for worse in (None, 0.05, 0.1, 0.2):
        before = now = 0
        for seed in range(TABLES):
            slices = _slices(np.random.default_rng(seed), worse=worse)
            before += any(one.metric.value > WORST for one in slices)
            now += any(against_worst(one, WORST, greater=False) == "worse" for one in slices)
        print(
            json.dumps(
                {
                    "one slice worse by": worse,
                    "failed before": before / TABLES,
                    "failed now": now / TABLES,
                }
            ),
            flush=True,
        )


def _slices(random: np.random.Generator, *, worse: float | None) -> list[SliceResult]:
    means = np.full(SLICES, WORST - 0.02)
    if worse is not None:
        means[0] = WORST + worse
    return [
        SliceResult(
            column="c",
            value=str(number),
            rows=ROWS,
            metric=_estimate(random.exponential(mean, ROWS)),
        )
        for number, mean in enumerate(means)
    ]


def _estimate(errors: NDArray[np.float64]) -> Estimate:
    each = 1 - (1 - CONFIDENCE) / SLICES
    return interval("mae", np.zeros(ROWS), errors, blocks=None, confidence=each, seed=0)


if __name__ == "__main__":
    main()
