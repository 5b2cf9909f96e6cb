"""What `monitor` found: has what the model is asked, or how well it answers, changed since it was trained?"""

from typing import Literal

from titlebout.spec.record import Record


class Drift(Record):
    """One column, or the predictions: how far the window's distribution lies from the reference's, and from where on that is drift.

    `distance` is the Jensen-Shannon distance (0 the same, 1 nothing in common) of the shares of rows in `bins`.
    """

    name: str
    kind: Literal["column", "prediction"]
    distance: float
    threshold: float
    drifted: bool
    bins: tuple[str, ...]
    reference: tuple[float, ...]
    window: tuple[float, ...]


class Performance(Record):
    """The primary metric on the window's labelled rows against the holdout; a positive loss means that it got worse by so much."""

    metric: str
    rows: int
    reference: float
    window: float
    loss: float
    low: float
    high: float
    drifted: bool


class DriftReport(Record):
    """`window` is the time of its first and last row. Each false-alarm rate is one of the report, not of each test in it.

    `performance` is absent where labels are missing, and `without_performance` says so.
    """

    model: str
    releases: tuple[str, ...]
    model_digest: str
    dataset: str
    window: tuple[str, str]
    rows: int
    days: int
    false_alarm_rate: float
    performance_false_alarm_rate: float
    seed: int
    drifts: tuple[Drift, ...]
    performance: Performance | None
    without_performance: str | None
    decision: Literal["none", "drift"]
    reasons: tuple[str, ...]
