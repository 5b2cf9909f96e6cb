"""List the metrics that a model.yaml may name, their tasks and which direction is better.

`titlebout.metrics` computes them.
"""

from typing import Literal, NamedTuple

Task = Literal["binary", "multiclass", "regression"]


class MetricKind(NamedTuple):
    """Describe one metric: the tasks it fits, and whether a larger value is better."""

    tasks: frozenset[Task]
    greater_is_better: bool


_CLASSES: frozenset[Task] = frozenset({"binary", "multiclass"})
_BINARY: frozenset[Task] = frozenset({"binary"})
_NUMBER: frozenset[Task] = frozenset({"regression"})

METRICS: dict[str, MetricKind] = {
    "roc_auc": MetricKind(_BINARY, True),
    "average_precision": MetricKind(_BINARY, True),
    "log_loss": MetricKind(_CLASSES, False),
    "brier": MetricKind(_CLASSES, False),
    "accuracy": MetricKind(_CLASSES, True),
    "mae": MetricKind(_NUMBER, False),
    "rmse": MetricKind(_NUMBER, False),
    "r2": MetricKind(_NUMBER, True),
}

# Regression: candidates are fitted to squared error. By absolute error, a useful one may be worse
# than a constant, the median.
DEFAULT_METRIC: dict[Task, str] = {
    "binary": "log_loss",
    "multiclass": "log_loss",
    "regression": "rmse",
}


def metrics_of(task: Task) -> list[str]:
    """Return the names of the metrics that fit the task."""
    return [name for name, kind in METRICS.items() if task in kind.tasks]
