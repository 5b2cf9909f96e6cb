"""Describe a release: the immutable record of what is served."""

from typing import Self

from pydantic import Field, model_validator

from titlebout.spec.record import Record

# Begins the request ids of the platform's own tests, for people who read them. It proves nothing.
PROBE_PREFIX = "titlebout-probe-"
# Carries the deployment's secret, which only the platform has.
# Answers to such requests stay out of the inference table.
PROBE_HEADER = "X-Titlebout-Probe"


class Override(Record):
    """Record a person's reason to release against a verdict.

    `overrides` holds the gate's reasons against the release; the release command fills it in.
    It is None if the gate had none. Then the reason is for a contract that refuses today's clients.
    """

    by: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    overrides: str | None = None


class Release(Record):
    """Describe what is served.

    It holds no times, run ids or environment.
    So the same content is the same release, wherever it is served.
    """

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
    def _require_verdict_or_override(self) -> Self:
        if self.verdict is None and self.override is None:
            raise ValueError("a release needs a verdict or an override")
        return self

    @property
    def id(self) -> str:
        """Return the release's id, which is the digest of its content."""
        return self.digest
