"""Define the strategies by which a Gateway divides traffic between two releases.

environment.yaml declares one per model. Without one, the strategy is blue-green.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from titlebout.spec.record import Record

Percent = Annotated[
    int, Field(ge=1, le=99, description="of the requests that the candidate answers")
]
Tolerance = Annotated[float, Field(gt=0, lt=1)]


class Gateway(Record):
    """Name the cluster's Gateway (Gateway API v1) to which the models' routes attach."""

    namespace: str
    name: str
    domain: str = Field(description="clients reach a model at <model>.<namespace>.<domain>")
    proxies: str | None = Field(
        default=None,
        description="the namespace in which its proxies run, from where the slots are called; "
        "absent: the Gateway's own",
    )

    @property
    def proxy_namespace(self) -> str:
        """Return the namespace in which the Gateway's proxies run."""
        return self.proxies or self.namespace


class Tolerances(Record):
    """Set how much larger a share of the candidate's requests may be than of the live release's."""

    errors: Tolerance = Field(default=0.01, description="answered with a server error")
    slow: Tolerance = Field(
        default=0.05, description="slower than the model's objective, service.p99_ms"
    )
    refused: Tolerance = Field(
        default=0.02,
        description="answered with 4xx for what the client sent: a row that does not fit",
    )


class Canary(Record):
    """Give the candidate a growing share of the traffic.

    At each step the sequential gate lets it go on, waits, or stops it.
    """

    kind: Literal["canary"]
    steps: tuple[Percent, ...] = Field(default=(5, 25, 50), min_length=1)
    tolerances: Tolerances = Tolerances()
    false_alarm: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="chance at most that a harmless candidate is stopped, over all steps",
    )
    step_seconds: float = Field(
        default=1800,
        gt=0,
        description="a step that the gate has not decided by then ends the canary",
    )

    @model_validator(mode="after")
    def _require_growing_steps(self) -> "Canary":
        if list(self.steps) != sorted(set(self.steps)):
            raise ValueError("each step must be larger than the one before")
        return self


class _TimedStrategy(Record):
    """Limit how long a candidate gets traffic, and how much harm the gate accepts until then.

    After `seconds` the route is reset.
    """

    tolerances: Tolerances = Tolerances()
    false_alarm: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="chance at most that a harmless candidate is stopped",
    )
    seconds: float = Field(default=3600, gt=0, description="how long it lasts")


class AB(_TimedStrategy):
    """Divide clients into two groups; each keeps its release until the comparison ends."""

    kind: Literal["ab"]
    by: Literal["header", "cookie", "weight"]
    name: str = Field(
        default="titlebout-group",
        pattern=r"^[A-Za-z0-9-]{1,60}$",
        description="of the header or the cookie",
    )
    value: str = Field(
        default="candidate",
        pattern=r"^[A-Za-z0-9-]{1,60}$",
        description="that sends a client to the candidate; by header or cookie",
    )
    percent: Percent = Field(
        default=50,
        description="by weight: of new clients; a cookie keeps each at its first release",
    )


class Shadow(_TimedStrategy):
    """Send the candidate a copy of the requests; no client gets its answers."""

    kind: Literal["shadow"]
    percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=100, description="of the requests that are copied"
    )


Strategy = Annotated[Canary | AB | Shadow, Field(discriminator="kind")]
