"""Refuse labels and scores that cannot be measured, so that no number is silently wrong."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from titlebout.spec import METRICS, DataError

Floats = NDArray[np.float64]
PROBABILITY_METRICS = frozenset({"log_loss", "brier", "accuracy"})
SUM_TOLERANCE = 1e-3  # float32 probabilities of a thousand classes add up to 1 within this


class TooFew(DataError):
    """Say that rows are right but too few: the value or its interval cannot be computed."""


def check_inputs(metric: str, y: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Return labels (n,) and scores (n,) or (n, k) as float64.

    Raise DataError for whatever the metric is not defined on.
    """
    if metric not in METRICS:
        raise _wrong(metric, "one of " + ", ".join(sorted(METRICS)), "an unknown metric")
    labels, predicted = np.asarray(y, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    _check_shapes(metric, labels, predicted)
    for name, values in (("labels", labels), ("scores", predicted)):
        if bad := int(np.count_nonzero(~np.isfinite(values))):
            raise _wrong(metric, f"finite {name}", f"{bad} of {values.size} NaN or infinite")
    if "regression" not in METRICS[metric].tasks:
        _check_classes(metric, labels, predicted)
    if metric in PROBABILITY_METRICS:
        _check_probabilities(metric, predicted)
    return labels, predicted


def _check_shapes(metric: str, labels: Floats, predicted: Floats) -> None:
    several = "multiclass" in METRICS[metric].tasks and predicted.ndim == 2
    if (
        labels.ndim != 1
        or len(labels) == 0
        or len(labels) != len(predicted)
        or (predicted.ndim != 1 and not several)
    ):
        raise _wrong(
            metric,
            "one score, or one row of class probabilities, per label",
            f"shapes {labels.shape} and {predicted.shape}",
        )


def _check_classes(metric: str, labels: Floats, predicted: Floats) -> None:
    classes = 2 if predicted.ndim == 1 else predicted.shape[1]
    if np.any((labels != np.floor(labels)) | (labels < 0) | (labels >= classes)):
        raise _wrong(
            metric,
            f"labels that are the codes 0 to {classes - 1}",
            f"labels from {labels.min():g} to {labels.max():g}",
        )


def _check_probabilities(metric: str, predicted: Floats) -> None:
    if predicted.min() < -SUM_TOLERANCE or predicted.max() > 1 + SUM_TOLERANCE:
        raise _wrong(
            metric,
            "probabilities from 0 to 1",
            f"scores from {predicted.min():g} to {predicted.max():g}",
        )
    if predicted.ndim == 2 and np.abs(predicted.sum(axis=1) - 1).max() > SUM_TOLERANCE:
        raise _wrong(
            metric,
            "class probabilities that add up to 1",
            f"a row that adds up to {predicted.sum(axis=1).max():g}",
        )


def _wrong(metric: str, expected: str, found: str) -> DataError:
    return DataError(
        f"metric {metric}",
        expected=expected,
        found=found,
        next_step="look at the labels and at what the model gives",
    )
