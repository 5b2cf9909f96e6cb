"""How a release meets the traffic where a Gateway divides it; declared per model in environment.yaml, absent: blue-green."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from titlebout.spec.record import Record

Percent = Annotated[
    int, Field(ge=1, le=99, description="of the requests that the candidate answers")
]
Tolerance = Annotated[float, Field(gt=0, lt=1)]


class Gateway(Record):
    """A Gateway of the cluster (Gateway API v1) to which the models' routes attach."""

    namespace: str
    name: str
    domain: str = Field(description="clients reach a model at <model>.<namespace>.<domain>")
    proxies: str | None = Field(
        default=None,
        description="the namespace in which its proxies run, from where the slots are called; absent: the Gateway's own",
    )

    @property
    def proxy_namespace(self) -> str:
        return self.proxies or self.namespace


class Tolerances(Record):
    """How much larger a share of the candidate's requests may be than the incumbent's and still be no harm."""

    errors: Tolerance = Field(default=0.01, description="answered with a server error")
    slow: Tolerance = Field(
        default=0.05, description="slower than the model's objective, service.p99_ms"
    )
    refused: Tolerance = Field(
        default=0.02,
        description="of clients, answered with 4xx for what was in them: a row that does not fit",
    )


class Canary(Record):
    """The candidate takes a growing share; at each step the sequential gate lets it go on, waits, or stops it."""

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
    def _grows(self) -> "Canary":
        if list(self.steps) != sorted(set(self.steps)):
            raise ValueError("each step must be larger than the one before")
        return self


class _Watched(Record):
    """What the gate holds against a candidate while a strategy shows it the traffic; at the end of `seconds` the route is taken back."""

    tolerances: Tolerances = Tolerances()
    false_alarm: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="chance at most that a harmless candidate is stopped",
    )
    seconds: float = Field(default=3600, gt=0, description="how long it lasts")


class AB(_Watched):
    """Two groups of clients, each kept with its release until the comparison ends."""

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
        default=50, description="by weight: of new clients; a cookie keeps each where it came first"
    )


class Shadow(_Watched):
    """The candidate is sent a copy of the requests; nobody is given its answers."""

    kind: Literal["shadow"]
    percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=100, description="of the requests that are copied"
    )


Strategy = Annotated[Canary | AB | Shadow, Field(discriminator="kind")]
