"""What `train`, `evaluate` and `validate` write down."""

from typing import Any, Literal

from pydantic import Field

from titlebout.spec.record import Figure, Record

TRAINING_FILE, EVALUATION_FILE, VALIDATION_FILE = "training.json", "evaluation.json", "validation.json"


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
    predicted: float
    observed: float
    rows: int


class CandidateEvaluation(Record):
    name: str
    metrics: dict[str, dict[str, Estimate]]
    predict_ms_per_row: float
    size_bytes: int


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
