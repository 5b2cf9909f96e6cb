"""Define what a data team declares about a model in `models/<name>/model.yaml`."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from titlebout.spec import object_names
from titlebout.spec.errors import SpecError
from titlebout.spec.formats import MISSING_WORDS, ColumnType, check_format
from titlebout.spec.metric import METRICS, Task, metrics_of
from titlebout.spec.record import Record

Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9-]{0,39}$",
        description="lower-case letters, digits and hyphens: also a DNS label",
    ),
]
MODEL_NAME = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"
CONFIGURATION_TAG = "configuration_digest"  # names the model.yaml that a version was trained by
SLOT_ENDINGS = ("-blue", "-green")
Share = Annotated[float, Field(gt=0, lt=1)]
Metric = Annotated[str, Field(json_schema_extra={"enum": sorted(METRICS)})]


def fault_of_name(name: str) -> str | None:
    """Return why no model can have this name, or None if one can.

    A model's live Service has its name. Its slots have the name with `-blue` and `-green`.
    """
    if re.fullmatch(MODEL_NAME, name) is None:
        return (
            f"{name!r} is not made of lower-case letters, digits and hyphens, "
            "at most 40, a letter first and no hyphen last"
        )
    if name in object_names.SERVICES:
        return f"{name!r} is a Service of the platform in every team's namespace"
    if name.endswith(SLOT_ENDINGS):
        return f"{name!r} ends like the slots of another model"
    return None


def _require_free_name(name: str) -> str:
    if fault := fault_of_name(name):
        raise ValueError(fault)
    return name


ModelName = Annotated[
    str,
    AfterValidator(_require_free_name),
    Field(
        description="lower-case letters, digits and hyphens: it becomes part of addresses",
        json_schema_extra={
            "pattern": MODEL_NAME,
            "not": {"pattern": f"^({'|'.join(sorted(object_names.SERVICES))})$|-(blue|green)$"},
        },
    ),
]


class ErrorCosts(Record):
    """Set what a wrong decision costs, in a unit of the team's choice.

    For binary models the costs set the decision threshold.
    """

    false_positive: float = Field(default=1.0, ge=0)
    false_negative: float = Field(default=1.0, ge=0)


class Brief(Record):
    """Say what the model is for, and what its errors cost."""

    question: str = Field(min_length=1, description="the business question that the model answers")
    decided_by: str = Field(min_length=1, description="who decides by the prediction")
    error_cost: str = Field(min_length=1, description="in words: what an error costs")
    error_costs: ErrorCosts = ErrorCosts()


class Source(Record):
    """Name where the data comes from: exactly one of a file and a function.

    The function stands in the model's `features.py` and returns a DataFrame.
    """

    file: str | None = Field(
        default=None,
        description="CSV, JSON lines, Parquet or a folder of Parquet: "
        "a path relative to the model's folder, or absolute",
    )
    function: str | None = Field(
        default=None,
        pattern=r"^[a-z_][a-z0-9_]*$",
        description="name of a function in features.py, called without arguments",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.function is None):
            raise ValueError("give either `file` or `function`")
        return self


FORMAT = (
    "how the source writes it, where it is text. "
    "date: iso, epoch_s, epoch_ms, or strftime's directives such as %d/%m/%Y; "
    "number: 1234.5 as the source writes it, such as 1.234,5 or $1,234.5; "
    "category: code (3.0 reads 3) or text"
)


class Target(Record):
    """Declare the column that the model predicts."""

    column: str
    positive: str | None = Field(
        default=None, description="binary only: the class whose probability is predicted, as text"
    )
    format: str | None = Field(
        default=None, description="as a column's: of a number in a regression, else of a category"
    )


class Column(Record):
    """Declare a feature as the client sends it, and what the platform may expect of its values."""

    type: ColumnType
    format: str | None = Field(default=None, description=FORMAT)
    nullable: bool = Field(
        default=True, description="false: a missing value breaks the training data's expectation"
    )
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = Field(
        default=None, description="category only: all values that training data may hold"
    )

    @model_validator(mode="after")
    def _format_fits(self) -> Self:
        if self.format is not None:
            check_format(self.format, self.type)
        return self


class Split(Record):
    """Choose how rows are split into train, validation and holdout.

    By time: the last rows are the holdout.
    By row or group: a stable hash decides, so a row never changes its part.
    """

    by: Literal["time", "group", "row"]
    validation: Share = 0.15
    holdout: Share = 0.2
    key: tuple[str, ...] = Field(
        default=(),
        description="by row only: rows that are equal in these columns are one block "
        "and share a part; absent: in all features",
    )

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.validation + self.holdout >= 0.9:
            raise ValueError(
                "validation and holdout together must leave at least a tenth of the rows "
                "to train on"
            )
        if self.key and self.by != "row":
            raise ValueError(f"`key` belongs to a split by row, not by {self.by}")
        return self


class Range(Record):
    """Limit where tuning looks for one setting: a range of numbers, or a list of choices."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    integer: bool = False
    choices: tuple[str | int | float | bool | None, ...] | None = None

    @model_validator(mode="after")
    def _range_or_choices(self) -> Self:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("give either `choices` or both `low` and `high`")
        return self


class Candidate(Record):
    """Declare one algorithm to train: its class, its settings and what tuning may search."""

    estimator: str = Field(
        description="`linear`, `trees`, or the import path of a scikit-learn-compatible class, "
        "such as xgboost.XGBClassifier"
    )
    settings: dict[str, Any] = Field(default={})
    search: dict[str, Range] = Field(default={})


class Tuning(Record):
    """Choose the search and the number of trials per candidate.

    The environment decides whether the search runs at all.
    """

    method: Literal["bayesian", "random", "grid"] = "bayesian"
    trials: int = Field(default=12, ge=1, le=1000)
    folds: int = Field(default=3, ge=2, le=20)


class GatePolicy(Record):
    """Decide when a Challenger may replace the Champion.

    A margin says how much worse is still acceptable, in the metric's own unit.
    """

    require: Literal["superiority", "non_inferiority"] = "superiority"
    margin: float = Field(
        default=0.0, ge=0, description="non-inferiority margin of the primary metric"
    )
    guardrails: dict[Metric, Annotated[float, Field(ge=0)]] = Field(
        default={}, description="further metrics that must not be worse by more than the margin"
    )

    @model_validator(mode="after")
    def _margin_where_needed(self) -> Self:
        if self.require == "non_inferiority" and self.margin == 0:
            raise ValueError("non_inferiority needs a margin above 0")
        return self


class Slices(Record):
    """Name the sub-populations whose worst case validation checks.

    A slice fails if it is worse than `worst`, beyond chance.
    """

    columns: tuple[str, ...] = ()
    minimum_rows: int = Field(default=200, ge=2)
    worst: float | None = Field(
        default=None, description="the primary metric's value that every slice must reach"
    )
    unmeasured: Literal["fail", "warn"] = Field(
        default="warn",
        description="the result for a column of which no value has minimum_rows holdout rows",
    )


# Measurements in which to reach a speed: another process may disturb one, a slow model fails all.
SPEED_WINDOWS = 3


class ServiceObjective(Record):
    """Set how fast the model must answer, and how many requests it must answer."""

    p99_ms: float = Field(default=50, gt=0)
    requests_per_second: float = Field(default=100, gt=0)


class ModelSpec(Record):
    """Describe one model, as model.yaml declares it."""

    name: ModelName
    brief: Brief
    owner: Name
    source: Source
    target: Target
    task: Task
    time_column: str | None = None
    time_format: str | None = Field(
        default=None, description="of the time_column, as a date's format"
    )
    group_column: str | None = None
    missing: tuple[str, ...] = Field(
        default=MISSING_WORDS,
        description="the texts that mean a missing value, in files and requests",
    )
    exclude: dict[str, str] = Field(default={}, description="column: why the model must not see it")
    columns: dict[str, Column] = Field(
        min_length=1, description="the features, in the order in which the model sees them"
    )
    split: Split
    candidates: dict[Name, Candidate] = Field(min_length=1)
    tuning: Tuning = Tuning()
    metric: Metric = Field(description="the metric that tuning optimises and the gate compares")
    thresholds: dict[Metric, float] = Field(
        default={}, description="absolute values that a version must reach on the holdout"
    )
    gate: GatePolicy = GatePolicy()
    slices: Slices = Slices()
    leaks: Literal["fail", "warn"] = "warn"
    service: ServiceObjective = ServiceObjective()
    seed: int = 0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        fitting = metrics_of(self.task)
        for metric in (self.metric, *self.thresholds, *self.gate.guardrails):
            if metric not in fitting:
                raise ValueError(
                    f"metric {metric!r} does not fit a {self.task} task; "
                    f"choose from {', '.join(fitting)}"
                )
        if self.target.format is not None:
            check_format(self.target.format, "number" if self.task == "regression" else "category")
        if self.time_format is not None:
            check_format(self.time_format, "date")
        if "baseline" in self.candidates:
            raise ValueError("`baseline` is always trained; a candidate needs another name")
        if self.task == "binary" and self.target.positive is None:
            raise ValueError(
                "a binary model needs target.positive, the class whose probability is predicted"
            )
        return self

    @model_validator(mode="after")
    def _columns_have_one_role(self) -> Self:
        if self.target.column in self.columns:
            raise ValueError(f"the target {self.target.column!r} stands among the feature columns")
        if self.target.column in self.split.key:
            raise ValueError(
                f"the target {self.target.column!r} stands in split.key: "
                "a label must not decide a row's part"
            )
        if self.split.by == "time" and self.time_column is None:
            raise ValueError("split by time needs a time_column")
        if self.split.by == "group" and self.group_column is None:
            raise ValueError("split by group needs a group_column")
        if both := sorted(set(self.exclude) & set(self.columns)):
            raise ValueError(f"both excluded and a feature: {', '.join(both)}")
        if unknown := sorted(set(self.slices.columns) - set(self.columns)):
            raise ValueError(f"slices name columns that are no features: {', '.join(unknown)}")
        return self


def model_folder(project: Path, model: str) -> Path:
    """Return the folder of the model's model.yaml and features.py."""
    return project / "models" / model


def require_model_name(model: str) -> None:
    """Raise SpecError if no model can have this name, which becomes part of paths and addresses."""
    if fault := fault_of_name(model):
        raise SpecError(
            "the model's name",
            expected="the name of a folder in models/",
            found=fault,
            next_step="check the name",
        )


def load_model_spec(project: Path, model: str) -> ModelSpec:
    """Read `models/<model>/model.yaml`. Raise SpecError if it is absent or wrong."""
    require_model_name(model)
    return ModelSpec.from_yaml(model_folder(project, model) / "model.yaml")
