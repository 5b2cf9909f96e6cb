"""Describe what `train`, `evaluate` and `validate` write down."""

from typing import Any, Literal

from pydantic import Field

from titlebout.spec.contract import Engine
from titlebout.spec.record import Figure, Record

TRAINING_FILE = "training.json"
EVALUATION_FILE = "evaluation.json"
VALIDATION_FILE = "validation.json"


class FittedCandidate(Record):
    """Describe one fitted algorithm; its model folder is `<training folder>/<name>/`.

    `skipped` says why there is no cross-validated score.
    `fits_batch` is true if it could learn a handful of rows by heart.
    `overfit_check` says the same as a sentence.
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
    """Describe one training.

    `configuration_digest` is the digest of model.yaml, `settings_digest` that of the settings lock.
    Without a lock it is None, and model.yaml's settings were trained.
    `tuned_on` is the digest of the record of the rows that the settings were tuned on.
    That record is `tuned-on/<digest>.json` in storage.
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
    """Hold a measured value with its bounds.

    The value is NaN if the rows leave the metric undefined.
    There are no bounds if there are too few rows.
    """

    value: Figure
    low: Figure | None = None
    high: Figure | None = None


class SliceResult(Record):
    """Measure the primary metric on the rows with one value of a column.

    The bounds of all slices of an evaluation hold together.
    So each is as wide as their number asks for (Bonferroni).
    """

    column: str
    value: str
    rows: int
    metric: Estimate


class SmallSlices(Record):
    """Count the slices of one column that have too few holdout rows to measure.

    `rows` is how many rows they have together, `largest` how many the largest has.
    """

    column: str
    slices: int
    rows: int
    largest: int


class Lead(Record):
    """Say how much better the chosen candidate is than the baseline on the same rows.

    There are no bounds if there are too few rows.
    """

    value: Figure
    low: Figure | None = None
    high: Figure | None = None


class Leak(Record):
    """Describe a column that tells much of the target.

    Only a `suspicious` one brings a warning; a strong one may well be honest.
    Skill goes from guessing (0) to perfection (1).
    `skill_without` is the skill of the same learner if it does not see the column.
    """

    column: str
    level: Literal["strong", "suspicious"]
    evidence: str
    skill_alone: float
    skill_of_model: float
    skill_without: float


class CalibrationBin(Record):
    """Compare the predicted with the observed mean of rows of similar prediction.

    In 95 of 100 tables of this size, a perfect model's observed mean lies from `low` to `high`.
    """

    predicted: float
    observed: float
    rows: int
    low: float | None = None
    high: float | None = None


class PerfectCalibration(Record):
    """Hold the calibration error that a perfect model shows on as many rows.

    `usual` is the average, `most` what it stays below in 97.5 of 100 tables.
    """

    usual: float
    most: float


class ClassFigures(Record):
    """Measure how one class is served.

    Precision is a share of the `predicted` rows, which the model gives this class.
    Recall is a share of the `rows` that have this class. A share of no rows is None.
    """

    name: str
    rows: int
    predicted: int
    precision: Estimate | None
    recall: Estimate | None


class Decisions(Record):
    """Count the answers on the holdout.

    `confusion[actual][predicted]` counts rows, in the order of `classes`.
    """

    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]


class Curves(Record):
    """Show a binary model at thresholds from the strictest to the laxest, thinned.

    `roc` holds (false positive rate, recall), `precision_recall` holds (recall, precision).
    The `served_` figures are those of the threshold that is served.
    """

    roc: tuple[tuple[float, float], ...]
    precision_recall: tuple[tuple[float, float], ...]
    served_false_positive_rate: float
    served_recall: float
    served_precision: float | None


class ResidualBin(Record):
    """Summarise observed minus predicted for rows of similar prediction.

    `middle` is the median. Eight of ten rows lie from `low` to `high`.
    """

    predicted: float
    low: float
    middle: float
    high: float
    rows: int


class Residuals(Record):
    """Summarise observed minus predicted on the holdout.

    `mean` and `quantiles` (share of rows below, value) are of all rows, `bins` by prediction.
    """

    mean: float
    quantiles: tuple[tuple[float, float], ...]
    bins: tuple[ResidualBin, ...]


class CandidateEvaluation(Record):
    """Measure one candidate; `metrics[part][metric]`."""

    name: str
    metrics: dict[str, dict[str, Estimate]]
    predict_ms_per_row: float
    size_bytes: int
    engine: Engine | None = None


class Evaluation(Record):
    """Measure every candidate on every part, and the chosen one in depth.

    `passed_over` names the candidates that could not be chosen, and why.
    `accuracy_served` is the accuracy at the threshold that is served; binary only.
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
    """Describe one check of a version and whether it passed.

    `warning` means: it passed, but read the detail before the version is released.
    """

    name: str
    passed: bool
    detail: str
    warning: bool = False


class Validation(Record):
    """Gather the checks of one version."""

    model: str
    version: str
    model_digest: str
    status: str
    checks: tuple[Check, ...]
