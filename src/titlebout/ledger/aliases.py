"""Move the alias `champion` after the traffic; clear `challenger` from what was live."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from titlebout.rollout import Change
from titlebout.spec import RegistryError, Release

if TYPE_CHECKING:
    from titlebout.registry import Version

CHAMPION, CHALLENGER = "champion", "challenger"


class Aliases(Protocol):
    """Read and move aliases, by MLflow's client or by the registrar's lighter one."""

    def find(
        self, model: str, *, alias: str | None = None, digest: str | None = None
    ) -> "Version | None":
        """Return the version with that alias, or the newest with that model digest, or None."""
        ...

    def set_alias(self, model: str, alias: str, version: "Version") -> None:
        """Give the alias to the version."""
        ...

    def clear_alias(self, model: str, alias: str) -> None:
        """Take the alias from the version that has it."""
        ...

    def tag(self, version: "Version", **tags: str) -> None:
        """Set tags on the version."""
        ...


def move_alias(
    registry: Aliases, model: str, live: Change, record: Callable[[str], Release]
) -> None:
    """Move `champion` to the live version; clear `challenger` if it is or was live.

    `record` returns a release's record by its id. Raises RegistryError if no version has the
    live release's model digest.
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
