"""Release what was trained: model.yaml must still say what the Challenger was trained, judged and validated by."""

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

WORDS_ALONE = frozenset(
    {"brief.question", "brief.decided_by", "brief.error_cost"}
)  # sentences for people: nothing is computed by them


def require_as_trained(target: ReleaseTarget, version: "Version", *, progress: Progress) -> None:
    """Name what model.yaml says otherwise than when the version was trained; raises NotAllowed for all but words.

    The release is tested, baked and recorded by the same configuration by which the version was validated and judged: an override
    does not permit a difference.
    """
    trained = _trained_by(target, version)
    differences = list(
        _differences(trained.model_dump(mode="json"), target.spec.model_dump(mode="json"))
    )
    for name, before, now in (found for found in differences if found[0] in WORDS_ALONE):
        progress(
            f"model.yaml: {name} is {now!r}, and was {before!r} when version {version.version} was trained: only words"
        )
    if serious := [
        f"{name} is {now!r}, and was {before!r}"
        for name, before, now in differences
        if name not in WORDS_ALONE
    ]:
        raise NotAllowed(
            f"version {version.version} of {target}",
            expected=f"model.yaml as it was trained by (configuration {trained.digest[:12]})",
            found="; ".join(serious),
            next_step=f"undo the edit of models/{target.model}/model.yaml, or train again",
        )


def _trained_by(target: ReleaseTarget, version: "Version") -> ModelSpec:
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
    """Each innermost field that differs, by its dotted name; what is absent is None."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield name, before, now
