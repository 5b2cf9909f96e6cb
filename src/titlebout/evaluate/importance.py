"""Measure how much the primary metric loses when a column's values are shuffled.

The method is Breiman's (2001), and that of Fisher, Rudin & Dominici (2019).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.data import PartRows
from titlebout.evaluate.measured import Measured
from titlebout.scoring import predictor_columns
from titlebout.spec import METRICS, DataError, ModelSpec

# On 2,000 rows an important column is clearly seen, and 100 columns take a second or two.
SAMPLE_ROWS = 2000
SHUFFLES = 3


def permutation_losses(
    spec: ModelSpec, measured: Measured, validation: PartRows, *, metric: str
) -> dict[str, float]:
    """Return per column the mean loss in the metric, positive if the model needs the column.

    Return nothing if the metric is undefined on the rows.
    """
    random = np.random.default_rng(spec.seed)
    picked = random.permutation(len(validation.y))[:SAMPLE_ROWS]
    columns, y = predictor_columns(validation.X.iloc[picked]), validation.y[picked]
    sign = 1 if METRICS[metric].greater_is_better else -1
    try:
        whole = metrics.score(metric, y, measured.predictor.scores(columns))
    except DataError:
        return {}
    losses = {}
    for name in spec.columns:
        shuffled_together = _model_columns(name, columns)
        shuffled = [
            metrics.score(
                metric,
                y,
                measured.predictor.scores(
                    _shuffled(columns, shuffled_together, random.permutation(len(y)))
                ),
            )
            for _ in range(SHUFFLES)
        ]
        losses[name] = float(sign * (whole - np.mean(shuffled)))
    return losses


def _model_columns(name: str, columns: Iterable[str]) -> list[str]:
    """Return the model columns of a feature; a date has several, which are shuffled together."""
    return [column for column in columns if column == name or column.startswith(f"{name}.")]


def _shuffled(
    columns: Mapping[str, NDArray[Any]], names: list[str], order: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    return {**columns, **{name: columns[name][order] for name in names}}
