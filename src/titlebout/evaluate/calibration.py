"""Do the predicted values mean what they say? Bins of equally many holdout rows: predicted against observed."""

import numpy as np
from numpy.typing import NDArray

from titlebout.spec import CalibrationBin, Task

BINS = 10


def calibration(task: Task, y: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[tuple[CalibrationBin, ...], float | None]:
    """The bins, and the expected calibration error (Naeini et al. 2015): the rows' mean distance between the two, None for regression.

    Binary: the probability of the positive class; multiclass: of the likeliest class, against its being right; regression: the value.
    """
    if task == "multiclass":
        predicted, observed = scores.max(axis=1), (scores.argmax(axis=1) == y).astype(np.float64)
    else:
        predicted, observed = scores, y.astype(np.float64)
    parts = np.array_split(np.argsort(predicted, kind="stable"), min(BINS, len(y)))
    bins = tuple(
        CalibrationBin(predicted=float(predicted[part].mean()), observed=float(observed[part].mean()), rows=len(part)) for part in parts
    )
    if task == "regression":
        return bins, None
    return bins, float(sum(one.rows * abs(one.predicted - one.observed) for one in bins) / len(y))
