"""Move the alias `champion` after the traffic, and take `challenger` from a version that has had its turn."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from titlebout.rollout import Change
from titlebout.spec import RegistryError, Release

if TYPE_CHECKING:
    from titlebout.registry import Version

CHAMPION, CHALLENGER = "champion", "challenger"


class Aliases(Protocol):
    """Read and move aliases: MLflow's client does, and so does the registrar's lighter one."""

    def find(
        self, model: str, *, alias: str | None = None, digest: str | None = None
    ) -> "Version | None": ...
    def set_alias(self, model: str, alias: str, version: "Version") -> None: ...
    def clear_alias(self, model: str, alias: str) -> None: ...
    def tag(self, version: "Version", **tags: str) -> None: ...


def move_alias(
    registry: Aliases, model: str, live: Change, record: Callable[[str], Release]
) -> None:
    """Move `champion` to the live version; clear `challenger` if that version was live, now or before.

    Raises RegistryError if no version has the live release's model digest.
    """
    digest = record(live.release).model_digest
    champion = registry.find(model, alias=CHAMPION)
    challenger = registry.find(model, alias=CHALLENGER)
    if champion is None or champion.digest != digest:
        winner = (
            challenger
            if challenger and challenger.digest == digest
            else registry.find(model, digest=digest)
        )
        if winner is None:
            raise RegistryError(
                f"registered model {model}",
                expected=f"a version with model digest {digest}",
                found="none",
                next_step="register the released model again",
            )
        champion = winner
        registry.set_alias(model, CHAMPION, winner)
    if champion.tags.get("release") != live.release:
        registry.tag(champion, release=live.release)
    if challenger and challenger.digest in {
        record(release).model_digest for release in live.recently_live
    }:
        registry.clear_alias(model, CHALLENGER)
