"""Ledger and alias come after the traffic: what is really live is written down, from whichever side the change came."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from titlebout.release.embedded import EmbeddedPlace
from titlebout.rollout import Change, EmbeddedSlots
from titlebout.spec import Override, RegistryError, Release

if TYPE_CHECKING:
    from titlebout.registry import Version
    from titlebout.release.ledger import Ledger

CHAMPION, CHALLENGER = "champion", "challenger"


class Aliases(Protocol):
    """What following needs of the registry; MLflow's client has it, and so has the registrar's lighter way in."""

    def find(self, model: str, *, alias: str | None = None, digest: str | None = None) -> "Version | None": ...
    def set_alias(self, model: str, alias: str, version: "Version") -> None: ...
    def clear_alias(self, model: str, alias: str) -> None: ...
    def tag(self, version: "Version", **tags: str) -> None: ...


def follow_traffic(place: EmbeddedPlace) -> str | None:
    """Write a ledger entry for every change of the traffic that has none, then let the alias `champion` follow.

    Idempotent; the only writer of `switched` and `rolled_back`. Returns why the alias could not move, should the registry be away:
    the next call moves it. Raises IntegrityError if the ledger was tampered with.
    """
    from titlebout.release.head import move_head

    move_head(place.storage, place.ledger, place.model)  # first, so that nothing is written after a chain that was cut short
    written = {stored.key for stored in place.ledger.chain(place.model)}
    for change in place.slots.traffic.history():
        if traffic_key(place.slots, change) not in written:
            _record_change(place, change)
    move_head(place.storage, place.ledger, place.model)
    live = place.slots.live()
    if live is None:
        return None
    try:
        move_alias(place.registry, place.model, live, place.release_record)
    except RegistryError as error:
        return f"the alias `{CHAMPION}` has not moved yet: {error}"
    return None


def settle(place: EmbeddedPlace, change: Change, *, by: str, reason: str) -> bool:
    """Write `settled`; False if the traffic has moved on, for then the bake was of no use."""
    from titlebout.release.head import move_head

    with place.slots.lock_traffic():
        live = place.slots.live()
        if live is None or live.number != change.number:
            return False
        place.ledger.append(
            place.model,
            key=settled_key(place.slots, change),
            time=datetime.now(UTC).isoformat(),
            kind="settled",
            from_release=change.from_release,
            to_release=change.release,
            by=by,
            reason=reason,
            evidence={},
        )
    move_head(place.storage, place.ledger, place.model)
    return True


def traffic_key(slots: EmbeddedSlots, change: Change) -> str:
    """What the ledger calls a change of this address's traffic."""
    return f"{slots.ports.address}/{change.number}"


def settled_key(slots: EmbeddedSlots, change: Change) -> str:
    return f"{traffic_key(slots, change)}/settled"


def overridden_key(slots: EmbeddedSlots, change: Change) -> str:
    return f"{traffic_key(slots, change)}/overridden"


def expected_keys(slots: EmbeddedSlots, change: Change) -> tuple[str, str, str]:
    """All that the ledger may ever say about a change."""
    return traffic_key(slots, change), settled_key(slots, change), overridden_key(slots, change)


def write_change(ledger: "Ledger", model: str, change: Change, *, key: str, override: Override | None) -> None:
    """The one way a change of the traffic enters a ledger; a switch against the verdict has an entry of its own before it."""
    if override and change.kind == "switched":
        ledger.append(
            model,
            key=f"{key}/overridden",
            time=change.time,
            kind="overridden",
            from_release=change.from_release,
            to_release=change.release,
            by=override.by,
            reason=override.reason,
            evidence={"overrides": override.overrides},
        )
    ledger.append(
        model,
        key=key,
        time=change.time,
        kind=change.kind,
        from_release=change.from_release,
        to_release=change.release,
        by=change.by,
        reason=change.reason,
        evidence={"slot": change.slot, **change.evidence},
    )


def move_alias(registry: Aliases, model: str, live: Change, record: Callable[[str], Release]) -> None:
    """`champion` to the version that is live; a `challenger` that won, or won and was rolled back, is none any more."""
    digest = record(live.release).model_digest
    champion = registry.find(model, alias=CHAMPION)
    challenger = registry.find(model, alias=CHALLENGER)
    if champion is None or champion.digest != digest:
        winner = challenger if challenger and challenger.digest == digest else registry.find(model, digest=digest)
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
    if challenger and challenger.digest in {record(release).model_digest for release in live.had_their_turn}:
        registry.clear_alias(model, CHALLENGER)


def _record_change(place: EmbeddedPlace, change: Change) -> None:
    override = place.release_record(change.release).override if change.kind == "switched" else None
    write_change(place.ledger, place.model, change, key=traffic_key(place.slots, change), override=override)
