"""What `train`, `evaluate` and `validate` write down."""

from typing import Any, Literal

from pydantic import Field

from titlebout.spec.contract import Engine
from titlebout.spec.record import Figure, Record

TRAINING_FILE, EVALUATION_FILE, VALIDATION_FILE = (
    "training.json",
    "evaluation.json",
    "validation.json",
)


class FittedCandidate(Record):
    """One fitted algorithm; its model folder is `<training folder>/<name>/`.

    `skipped` says why there is no cross-validated score; `fits_batch`: could it learn a handful of rows by heart, `overfit_check` in words.
    """

    name: str
    estimator: str
    settings: dict[str, Any]
    settings_from: Literal["model.yaml", "settings.lock.yaml", "tuning"] = "model.yaml"
    cross_validated: float | None
    fold_scores: tuple[float, ...] = ()
    fit_seconds: float
    peak_memory_bytes: int
    skipped: str | None = None
    fits_batch: bool = True
    overfit_check: str = ""


class Training(Record):
    """`configuration_digest` is that of model.yaml, `settings_digest` that of the settings lock trained by.

    Without a lock it is None, and model.yaml's settings were trained.
    `tuned_on` is the digest of the record of the rows that the settings were tuned on, `tuned-on/<digest>.json` in storage.
    """

    model: str
    configuration_digest: str
    dataset: str
    metric: str
    candidates: tuple[FittedCandidate, ...]
    tuned: bool
    settings_digest: str | None = None
    settings_caveats: tuple[str, ...] = ()
    tuned_on: str | None = None
    overfit_check: str


class Estimate(Record):
    """NaN where the rows leave the metric undefined; no bounds where there are too few rows to say."""

    value: Figure
    low: Figure | None = None
    high: Figure | None = None


class SliceResult(Record):
    """The bounds of all slices of an evaluation hold together: each is as wide as their number asks for (Bonferroni)."""

    column: str
    value: str
    rows: int
    metric: Estimate


class SmallSlices(Record):
    """The values of one column with too few holdout rows to measure, how many there are and how many rows they have together."""

    column: str
    slices: int
    rows: int
    largest: int


class Lead(Record):
    """How much better the chosen candidate is than the baseline on the same rows; no bounds where there are too few rows to say."""

    value: Figure
    low: Figure | None = None
    high: Figure | None = None


class Leak(Record):
    """A column that tells much of the target. Only `suspicious` ones are warned of; a strong one may well be honest.

    Skill is the way from guessing (0) to perfection (1). `skill_without`: of the same learner when it does not see the column.
    """

    column: str
    level: Literal["strong", "suspicious"]
    evidence: str
    skill_alone: float
    skill_of_model: float
    skill_without: float


class CalibrationBin(Record):
    """`low` to `high`: where the observed mean of a perfect model lies in 95 of 100 tables of this size."""

    predicted: float
    observed: float
    rows: int
    low: float | None = None
    high: float | None = None


class PerfectCalibration(Record):
    """The calibration error that a perfect model shows on as many rows: on average, and at most in 97.5 of 100 tables."""

    usual: float
    most: float


class ClassFigures(Record):
    """One class as it is served: of the rows that the model calls so, how many are (precision); of those that are, how many it finds.

    `predicted` and `rows` count the two; no rows leave the share undefined (None).
    """

    name: str
    rows: int
    predicted: int
    precision: Estimate | None
    recall: Estimate | None


class Decisions(Record):
    """What is answered on the holdout. `confusion[actual][predicted]` counts rows, in the order of `classes`."""

    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]


class Curves(Record):
    """A binary model at every threshold, from the strictest to the laxest, thinned; `served` is the point of the served threshold.

    `roc` holds (false positive rate, recall), `precision_recall` (recall, precision); of `served` the first three are those of both.
    """

    roc: tuple[tuple[float, float], ...]
    precision_recall: tuple[tuple[float, float], ...]
    served_false_positive_rate: float
    served_recall: float
    served_precision: float | None


class ResidualBin(Record):
    """Rows of similar prediction: what observed minus predicted is in the middle, and between which values eight of ten lie."""

    predicted: float
    low: float
    middle: float
    high: float
    rows: int


class Residuals(Record):
    """Observed minus predicted on the holdout, over all rows (`quantiles`: share of rows below, value) and by prediction."""

    mean: float
    quantiles: tuple[tuple[float, float], ...]
    bins: tuple[ResidualBin, ...]


class CandidateEvaluation(Record):
    name: str
    metrics: dict[str, dict[str, Estimate]]
    predict_ms_per_row: float
    size_bytes: int
    engine: Engine | None = None


class Evaluation(Record):
    """Every candidate on every part (`metrics[part][metric]`), and the chosen one in depth.

    `passed_over`: candidates that could not be chosen, and why. `accuracy_served`: at the threshold that is served; binary only.
    """

    model: str
    dataset: str
    run_id: str
    version: str
    model_digest: str
    baseline_digest: str
    chosen: str
    why_chosen: str
    passed_over: dict[str, str] = Field(default={})
    fits_batch: bool = True
    metric: str
    threshold: float | None
    accuracy_served: Estimate | None = None
    lead: Lead | None = None
    candidates: tuple[CandidateEvaluation, ...]
    slices: tuple[SliceResult, ...]
    small_slices: tuple[SmallSlices, ...] = ()
    importance: dict[str, float]
    leaks: tuple[Leak, ...]
    calibration: tuple[CalibrationBin, ...]
    calibration_error: float | None
    calibration_perfect: PerfectCalibration | None = None
    decisions: Decisions | None = None
    curves: Curves | None = None
    residuals: Residuals | None = None


class Check(Record):
    """`warning`: it passed, and a person should read the detail before the version is released."""

    name: str
    passed: bool
    detail: str
    warning: bool = False


class Validation(Record):
    model: str
    version: str
    model_digest: str
    status: str
    checks: tuple[Check, ...]
