"""The metrics a model.yaml may name: for which tasks, and which way is better. How they are computed: `titlebout.metrics`."""

from typing import Literal, NamedTuple

Task = Literal["binary", "multiclass", "regression"]


class MetricKind(NamedTuple):
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

# Regression: the candidates are fitted to squared error; by absolute error an honest one may lose to "always the median".
DEFAULT_METRIC: dict[Task, str] = {
    "binary": "log_loss",
    "multiclass": "log_loss",
    "regression": "rmse",
}


def metrics_of(task: Task) -> list[str]:
    return [name for name, kind in METRICS.items() if task in kind.tasks]
