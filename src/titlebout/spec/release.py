"""The immutable record of what is served; its id is the hash of its content."""

from typing import Self

from pydantic import Field, model_validator

from titlebout.spec.record import Record

PROBE_PREFIX = "titlebout-probe-"  # request ids of the platform's own tests, for whoever reads them; they prove nothing
PROBE_HEADER = "X-Titlebout-Probe"  # the deployment's secret: who sends it is the platform, and its answers stay out of the inference table


class Override(Record):
    """A named person's recorded reason to release against a verdict."""

    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)


class Release(Record):
    """No times, run ids or environment: the same content is the same release, wherever it is served."""

    model: str
    model_digest: str
    package_digest: str
    data_digest: str
    code_version: str
    configuration_digest: str
    threshold: float | None
    verdict: str | None
    override: Override | None = None

    @model_validator(mode="after")
    def _has_a_ground(self) -> Self:
        if self.verdict is None and self.override is None:
            raise ValueError("a release needs a verdict or an override")
        return self

    @property
    def id(self) -> str:
        return self.digest
