"""Measure a regression's errors on the holdout: over all rows, and by size of the prediction."""

import numpy as np
from numpy.typing import NDArray

from titlebout.data import Labels
from titlebout.spec import ResidualBin, Residuals, Task

BINS = 20
MINIMUM_ROWS = 10  # a bin's tenths need ten rows
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
EIGHT_OF_TEN = (0.1, 0.5, 0.9)


def residuals(task: Task, y: Labels, scores: NDArray[np.float64]) -> Residuals | None:
    """Return the distribution of observed minus predicted, or None for classes."""
    if task != "regression":
        return None
    errors = y - scores
    parts = np.array_split(
        np.argsort(scores, kind="stable"), max(1, min(BINS, len(y) // MINIMUM_ROWS))
    )
    bins = []
    for part in parts:
        low, middle, high = (float(value) for value in np.quantile(errors[part], EIGHT_OF_TEN))
        bins.append(
            ResidualBin(
                predicted=float(scores[part].mean()),
                low=low,
                middle=middle,
                high=high,
                rows=len(part),
            )
        )
    quantiles = tuple(
        (share, float(value))
        for share, value in zip(QUANTILES, np.quantile(errors, QUANTILES), strict=True)
    )
    return Residuals(mean=float(errors.mean()), quantiles=quantiles, bins=tuple(bins))
