"""Describe what `monitor` found of changes since training, in data and in performance."""

from typing import Literal

from titlebout.spec.evaluation import Estimate
from titlebout.spec.record import Record


class Drift(Record):
    """Compare the window's distribution of one column, or of the predictions, with the reference's.

    `distance` is the Jensen-Shannon distance of the shares of rows in `bins`.
    0 means the same, 1 nothing in common. From `threshold` on it is drift.
    There is no threshold if the reference has too few blocks.

    `smallest_change` is the share of rows that must move for an alarm, if they move to where the
    reference has fewest. It is None if even all rows are too few.
    `can_tell` is false if that is more than a large change.
    """

    name: str
    kind: Literal["column", "prediction"]
    distance: float
    threshold: float | None
    smallest_change: float | None
    drifted: bool
    can_tell: bool
    bins: tuple[str, ...]
    reference: tuple[float, ...]
    window: tuple[float, ...]


class Performance(Record):
    """Compare the primary metric on the window's labelled rows with the holdout's.

    `window` has the metric's 95 % interval. `loss` is how much worse the metric became.
    From `threshold` on that is an alarm.
    `can_tell` is false if a model that had become useless would not be found.
    """

    metric: str
    rows: int
    reference: float
    window: Estimate
    loss: float
    threshold: float
    drifted: bool
    can_tell: bool


class DriftReport(Record):
    """Gather what `monitor` found in one window.

    `window` holds the times of its first and last row.
    `left_out` counts the rows whose event time cannot be true.
    Each false-alarm rate is the whole report's, not that of each test in it.
    `performance` is absent if labels are missing, and `without_performance` says so.
    `cannot_tell` names the tests that could not have alarmed, and what they need.
    """

    model: str
    releases: tuple[str, ...]
    model_digest: str
    dataset: str
    window: tuple[str, str] | None
    rows: int
    left_out: int
    days: int
    false_alarm_rate: float
    performance_false_alarm_rate: float
    seed: int
    drifts: tuple[Drift, ...]
    performance: Performance | None
    without_performance: str | None
    decision: Literal["none", "drift", "cannot tell"]
    reasons: tuple[str, ...]
    cannot_tell: tuple[str, ...]
