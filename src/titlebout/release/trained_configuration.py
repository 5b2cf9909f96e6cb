"""Require that model.yaml still says what the Challenger was trained and validated by."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from titlebout.release.release_target import ReleaseTarget
from titlebout.spec import (
    CONFIGURATION_TAG,
    IntegrityError,
    ModelSpec,
    NotAllowed,
    Progress,
)
from titlebout.storage import layout

if TYPE_CHECKING:
    from titlebout.registry import Version

# Sentences for people: nothing is computed from them.
TEXT_FIELDS = frozenset({"brief.question", "brief.decided_by", "brief.error_cost"})


def require_as_trained(target: ReleaseTarget, version: "Version", *, progress: Progress) -> None:
    """Raise NotAllowed if model.yaml has changed since the version was trained.

    A changed text is only reported. The release is tested, baked and recorded by the configuration
    by which the version was validated: an override does not permit a difference.
    """
    trained = _read_configuration(target, version)
    serious = []
    for name, before, now in _differences(
        trained.model_dump(mode="json"), target.spec.model_dump(mode="json")
    ):
        difference = f"{name} is {now!r}, and was {before!r}"
        if name in TEXT_FIELDS:
            when = f"when version {version.version} was trained"
            progress(f"model.yaml: {difference} {when}: only words")
        else:
            serious.append(difference)
    if serious:
        raise NotAllowed(
            f"version {version.version} of {target}",
            expected=f"model.yaml as it was trained by (configuration {trained.digest[:12]})",
            found="; ".join(serious),
            next_step=f"revert the edit of models/{target.model}/model.yaml, or train again",
        )


def _read_configuration(target: ReleaseTarget, version: "Version") -> ModelSpec:
    """Return the model.yaml by which the version was trained; raise IntegrityError without it."""
    digest = version.tags.get(CONFIGURATION_TAG)
    if digest is None:
        raise IntegrityError(
            f"version {version.version} of {target}",
            expected=f"the tag {CONFIGURATION_TAG}",
            found="none: by which model.yaml it was trained is not known",
            next_step="train again",
        )
    if not target.storage.exists(*layout.configuration(digest)):
        raise IntegrityError(
            target.storage.address(*layout.configuration(digest)),
            expected=f"model.yaml as version {version.version} was trained by",
            found="no such file",
            next_step="restore it from a backup, or train again",
        )
    return target.storage.read_record(ModelSpec, *layout.configuration(digest), digest=digest)


def _differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each innermost field that differs: its dotted name, and both values, None if absent."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield name, before, now
