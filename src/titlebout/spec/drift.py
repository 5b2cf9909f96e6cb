"""What `monitor` found: has what the model is asked, or how well it answers, changed since it was trained?"""

from typing import Literal

from titlebout.spec.evaluation import Estimate
from titlebout.spec.record import Record


class Drift(Record):
    """One column, or the predictions: how far the window's distribution lies from the reference's, and from where on that is drift.

    `distance` is the Jensen-Shannon distance (0 the same, 1 nothing in common) of the shares of rows in `bins`. `smallest_change` is the
    share of rows that must move to where the reference has fewest for an alarm, None if even all of them are too few. `can_tell` is false
    if that is more than a large change; without enough blocks in the reference there is no threshold at all.
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
    """The primary metric on the window's labelled rows, with its 95 % interval, against the holdout.

    A positive loss means that it got worse by so much, and from `threshold` on that is an alarm. `can_tell` is false if a model that had
    become useless would not be found.
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
    """`window` is the time of its first and last row. Each false-alarm rate is one of the report, not of each test in it.

    `left_out` counts the rows whose event time cannot be true. `performance` is absent where labels are missing, and
    `without_performance` says so. `cannot_tell` names the tests that could not have alarmed, and what they need.
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
