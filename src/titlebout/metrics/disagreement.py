"""Measure row by row how far two models' predictions of the same rows are apart.

Changes in opposite directions do not cancel out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def spread_of(predictions: Sequence[Any]) -> float | None:
    """Return the standard deviation of numbers, or None for classes."""
    return (
        None if _are_classes(predictions) else float(np.std(np.asarray(predictions, dtype=float)))
    )


def disagreement(
    before: Sequence[Any], now: Sequence[Any], *, spread: float | None = None
) -> float:
    """Return the share of rows that are predicted differently, from 0 to 1.

    A class is equal or different. A number counts by how much it moved, in units of `spread`, and
    at most 1, so that few rows never outweigh all others. `spread` is the standard deviation of
    `before`, unless it is given. The rows of `before` and `now` are compared in pairs.
    """
    if _are_classes(before) or _are_classes(now):
        return float(np.mean([one != other for one, other in zip(before, now, strict=True)]))
    moved = np.abs(np.asarray(now, dtype=float) - np.asarray(before, dtype=float))
    unit = spread_of(before) if spread is None else spread
    return float(np.mean(np.minimum(moved / unit, 1.0) if unit else moved > 0))


def _are_classes(predictions: Sequence[Any]) -> bool:
    return any(isinstance(one, str) for one in predictions)
