"""Describe a registered version of a model, as other rooms see it."""

from titlebout.spec import IntegrityError, Record

DIGEST_TAG = "model_digest"


class Version(Record):
    """Hold what MLflow says of a version. It does not change: look it up again after a change."""

    model: str
    version: str
    run_id: str
    tags: dict[str, str]
    aliases: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Return the model folder's digest.

        Raise IntegrityError for a version that was not registered by titlebout.
        """
        if DIGEST_TAG not in self.tags:
            raise IntegrityError(
                f"version {self.version} of {self.model}",
                expected=f"the tag {DIGEST_TAG}",
                found="none: it was not registered by a pipeline",
                next_step="train it with `titlebout train`",
            )
        return self.tags[DIGEST_TAG]
