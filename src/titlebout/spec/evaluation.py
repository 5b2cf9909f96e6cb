"""What `train`, `evaluate` and `validate` write down."""

from typing import Any, Literal

from titlebout.spec.record import Figure, Record

TRAINING_FILE, EVALUATION_FILE, VALIDATION_FILE = "training.json", "evaluation.json", "validation.json"


class FittedCandidate(Record):
    """One fitted algorithm; its model folder is `<training folder>/<name>/`.

    `skipped` says why there is no cross-validated score; `fits_batch`: could it learn a handful of rows by heart.
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
    column: str
    value: str
    rows: int
    metric: Estimate


class Leak(Record):
    column: str
    evidence: str
    score_alone: float
    score_of_model: float


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
    """Every candidate on every part (`metrics[part][metric]`), and the chosen one in depth."""

    model: str
    dataset: str
    run_id: str
    version: str
    model_digest: str
    baseline_digest: str
    chosen: str
    why_chosen: str
    fits_batch: bool = True
    metric: str
    threshold: float | None
    candidates: tuple[CandidateEvaluation, ...]
    slices: tuple[SliceResult, ...]
    importance: dict[str, float]
    leaks: tuple[Leak, ...]
    calibration: tuple[CalibrationBin, ...]
    calibration_error: float | None


class Check(Record):
    name: str
    passed: bool
    detail: str


class Validation(Record):
    model: str
    version: str
    model_digest: str
    status: str
    checks: tuple[Check, ...]
