"""Measure calibration: how far predicted values are from observed ones.

Holdout rows are put into bins of equal size. Beside them is what a perfect model shows on as many
rows.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.data import Labels
from titlebout.spec import CalibrationBin, PerfectCalibration, Task

Floats = NDArray[np.float64]
BINS = 10
TABLES = 400  # simulated ones; their 97.5th percentile is then off by about 1 % of itself
INSIDE = (2.5, 97.5)  # percentiles between which 95 of 100 tables lie


class Calibration(NamedTuple):
    """Hold the bins and the error; `error` and `perfect` are None for regression."""

    bins: tuple[CalibrationBin, ...]
    error: float | None
    perfect: PerfectCalibration | None


def calibration(task: Task, y: Labels, scores: Floats, *, seed: int) -> Calibration:
    """Return the bins and the expected calibration error (Naeini et al. 2015).

    The error is the rows' mean distance between predicted and observed. For a binary task,
    predicted is the probability of the positive class. For a multiclass task it is that of the
    likeliest class, and observed is whether that class is right. For a regression it is the value.

    A perfect model has an error above 0, too, as every bin has few rows. How far above is found by
    drawing labels from the scores themselves (Bröcker & Smith 2007), as if rows were independent.
    """
    if task == "multiclass":
        predicted, observed = scores.max(axis=1), (scores.argmax(axis=1) == y).astype(np.float64)
    else:
        predicted, observed = scores, y.astype(np.float64)
    order = np.argsort(predicted, kind="stable")
    predicted, observed = predicted[order], observed[order]
    parts = [part for part in np.array_split(np.arange(len(y)), min(BINS, len(y))) if len(part)]
    starts, rows = np.array([part[0] for part in parts]), np.array([len(part) for part in parts])
    means, found = (np.add.reduceat(values, starts) / rows for values in (predicted, observed))
    if task == "regression":
        half = np.array([_half_width(observed[part] - predicted[part]) for part in parts])
        return Calibration(
            _bins(means, found, rows, low=means - half, high=means + half), None, None
        )
    drawn = _simulate_perfect(predicted, starts, rows, seed=seed)
    errors = np.abs(drawn - means) @ rows / len(y)
    low, high = np.percentile(drawn, INSIDE, axis=0)
    perfect = PerfectCalibration(
        usual=float(errors.mean()), most=float(np.percentile(errors, INSIDE[1]))
    )
    return Calibration(
        _bins(means, found, rows, low=low, high=high),
        float(np.abs(found - means) @ rows / len(y)),
        perfect,
    )


def _simulate_perfect(
    predicted: Floats, starts: NDArray[np.intp], rows: NDArray[np.intp], *, seed: int
) -> Floats:
    """Return the observed means, shape (tables, bins), if every score is the true probability."""
    random = np.random.default_rng(seed)
    tables = [
        np.add.reduceat((random.random(len(predicted)) < predicted).astype(np.float64), starts)
        / rows
        for _ in range(TABLES)
    ]
    return np.array(tables)


def _half_width(residuals: Floats) -> float:
    """Return half the width of the bin's interval by Student's t, or NaN for one row.

    The interval is that of the bin's mean if its residuals were 0 on average.
    """
    from scipy.special import stdtrit

    if len(residuals) < 2:
        return float("nan")
    return float(
        stdtrit(len(residuals) - 1, INSIDE[1] / 100)
        * residuals.std(ddof=1)
        / np.sqrt(len(residuals))
    )


def _bins(
    means: Floats, found: Floats, rows: NDArray[np.intp], *, low: Floats, high: Floats
) -> tuple[CalibrationBin, ...]:
    def finite_or_none(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    return tuple(
        CalibrationBin(
            predicted=float(mean),
            observed=float(observed),
            rows=int(count),
            low=finite_or_none(least),
            high=finite_or_none(most),
        )
        for mean, observed, count, least, most in zip(means, found, rows, low, high, strict=True)
    )
