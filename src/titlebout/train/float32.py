"""Make a fitted pipeline compute in float32, as ONNX Runtime will.

Every row then takes the same branch in both. Model columns are float32. scikit-learn's histogram
gradient boosting compares them with float64 thresholds. A converter that rounds a threshold to the
nearest float32 may move it past a value. If the threshold is rounded down instead,
`x <= threshold` has the same answer for every float32 x.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def compute_in_float32(pipeline: Any) -> None:
    """Round in place what the pipeline's fitted parts compare.

    Thresholds are rounded down, target encodings to the nearest float32. Predictions stay
    bit-equal, except for rows whose target encoding was nearer to a threshold than float32 can
    tell.
    """
    for part in _fitted_parts(pipeline, seen=set()):
        if hasattr(part, "_predictors"):
            for predictor in np.ravel(np.array(part._predictors, dtype=object)):
                predictor.nodes["num_threshold"] = _rounded_down(predictor.nodes["num_threshold"])
        if hasattr(part, "encodings_"):
            part.encodings_ = [_nearest(encoding) for encoding in part.encodings_]
            part.target_mean_ = _nearest(part.target_mean_)


def _fitted_parts(value: Any, *, seen: set[int]) -> Iterator[Any]:
    """Yield every scikit-learn estimator at any depth: steps, transformers, ensemble members."""
    from sklearn.base import BaseEstimator

    if id(value) in seen or not isinstance(value, (BaseEstimator, list, tuple, dict)):
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
        value = vars(value)
    for child in value.values() if isinstance(value, dict) else value:
        yield from _fitted_parts(child, seen=seen)


def _rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    nearest = thresholds.astype(np.float32)
    return np.where(
        nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest
    ).astype(np.float64)


def _nearest(values: Any) -> Any:
    return np.asarray(values, dtype=np.float32).astype(np.float64)[()]  # a scalar stays one
