"""Define what the platform team declares in `environments/<env>/environment.yaml`.

The file holds only what differs between environments.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from titlebout.spec.errors import NotAllowed, SpecError
from titlebout.spec.record import Record
from titlebout.spec.strategy import Gateway, Strategy
from titlebout.spec.team import Quantity

ENVIRONMENT_NAME = r"[a-z][a-z0-9-]{0,39}"
Port = Annotated[int, Field(ge=1024, le=65535)]
Right = Literal["read", "edit"]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")]
Person = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
BUILT_IN_USERS = frozenset({"admin", "releaser"})


class DataWindow(Record):
    """Limit how much of the source this environment trains on."""

    fraction: float = Field(
        default=1.0, gt=0, le=1, description="share of the rows, chosen by a stable hash"
    )
    days: int | None = Field(
        default=None, ge=1, description="only rows of the last so many days before the as-of time"
    )
    before_holdout: bool = Field(
        default=False,
        description="split by time only: end before the holdout of the whole source. So another "
        "environment evaluates what is tuned here by rows that it has not seen",
    )


class Strictness(Record):
    """Set how strict this environment's gate is."""

    opponent: Literal["champion", "baseline"] = Field(
        default="champion",
        description="which model the gate compares the Challenger with here; "
        "without a Champion it is the baseline",
    )
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="of every interval that the gate decides by"
    )


class Serving(Record):
    """Set how this environment serves models, and tests and watches their releases."""

    port: Port = Field(
        description="the first of this environment's ports: "
        "each model takes three, live, blue and green"
    )
    test_seconds: float = Field(default=5, gt=0, description="length of each pre-deployment test")
    bake_seconds: float = Field(
        default=5, ge=0, description="how long the new release is watched after the switch"
    )
    cors_origins: tuple[Origin, ...] = Field(
        default=(),
        description="web origins, such as https://app.example.com, "
        "whose pages may read the models' answers; `*`: all",
    )
    prediction_shift: float = Field(
        default=0.3,
        gt=0,
        lt=1,
        description="the traffic goes back if more predictions than this share changed on "
        "clients' rows. Only rows count that both releases would predict alike on the gate's "
        "holdout. A changed number counts as its part of a standard deviation",
    )


class Cluster(Record):
    """Name the Kubernetes cluster that holds this environment's namespaces.

    A namespace is called `<team>-<environment>`. Several environments may share one cluster.
    """

    context: str | None = Field(
        default=None, description="of the kubeconfig; absent: its current context"
    )
    images: str = Field(
        description="registry and path that images are pushed to and pulled from, "
        "such as registry.example.com/titlebout"
    )
    job_memory: Quantity = Field(
        default="3Gi",
        description="limit of a Job that trains, monitors or compares; flights trains in 1 GiB",
    )
    gateway: Gateway | None = Field(
        default=None,
        description="through which clients reach the models; "
        "absent: blue-green is the only strategy",
    )


class Environment(Record):
    """Describe one environment, as environment.yaml declares it."""

    name: Literal["dev", "staging", "prod"]
    mlflow: str = Field(pattern=r"^https?://", description="the tracking server's address")
    storage: str = Field(
        description="URL or folder (relative to the project) "
        "of datasets, releases, verdicts and inference tables"
    )
    data: DataWindow = DataWindow()
    access: dict[Person, Right] = Field(
        default={},
        description="who else has an account on the MLflow server, and with which right on its "
        "experiments; everybody listed may read registered models",
    )
    tuning: bool = Field(
        default=False,
        description="true: training may search for settings here; "
        "false: it uses the settings that dev committed",
    )
    gate: Strictness = Strictness()
    serving: Serving | None = Field(default=None, description="absent: nothing is served here")
    kubernetes: Cluster | None = Field(
        default=None, description="absent: everything runs on this machine"
    )
    strategies: dict[str, Strategy] = Field(
        default={}, description="model: how its releases take over the traffic; absent: blue-green"
    )

    @model_validator(mode="after")
    def _refuse_built_in_users(self) -> Self:
        if taken := sorted(BUILT_IN_USERS & set(self.access)):
            raise ValueError(
                f"access grants {' and '.join(taken)}, who always exist; name other people"
            )
        return self


def require_serving(environment: Environment, *, subject: str) -> Serving:
    """Return the environment's `serving`. Raise NotAllowed if it has none."""
    if environment.serving is None:
        raise NotAllowed(
            subject,
            expected="an environment that serves",
            found=f"environments/{environment.name}/environment.yaml has no `serving`",
            next_step="release in an environment that serves, "
            "or give this one `serving: {port: ...}`",
        )
    return environment.serving


def require_tuning(environment: Environment) -> None:
    """Raise NotAllowed if the environment does not search for settings."""
    if not environment.tuning:
        raise NotAllowed(
            f"tuning in {environment.name}",
            expected="an environment that allows it",
            found=f"none: environments/{environment.name}/environment.yaml has no `tuning: true`",
            next_step="tune in dev, commit the model's settings.lock.yaml, "
            "and train here without --tune",
        )


def load_environment(project: Path, name: str) -> Environment:
    """Read `environments/<name>/environment.yaml`. Raise SpecError if it is absent or wrong."""
    if re.fullmatch(ENVIRONMENT_NAME, name) is None:
        raise SpecError(
            "the environment's name",
            expected="the name of a folder in environments/",
            found=repr(name),
            next_step="check the name",
        )
    return Environment.from_yaml(project / "environments" / name / "environment.yaml")
