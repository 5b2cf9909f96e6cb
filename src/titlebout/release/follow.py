"""Ledger and alias come after the traffic: what is really live is written down, from whichever side the change came."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from titlebout.release.chain import OVERRIDDEN, SETTLED
from titlebout.release.told import Told, told_of_change, told_of_settling
from titlebout.rollout import Change, EmbeddedSlots, Recorded, Settled
from titlebout.spec import IntegrityError, Override, RegistryError, Release

if TYPE_CHECKING:
    from titlebout.registry import Version
    from titlebout.release.embedded import EmbeddedPlace
    from titlebout.release.ledger import StoredEntry

CHAMPION, CHALLENGER = "champion", "challenger"


class Aliases(Protocol):
    """What following needs of the registry; MLflow's client has it, and so has the registrar's lighter way in."""

    def find(self, model: str, *, alias: str | None = None, digest: str | None = None) -> "Version | None": ...
    def set_alias(self, model: str, alias: str, version: "Version") -> None: ...
    def clear_alias(self, model: str, alias: str) -> None: ...
    def tag(self, version: "Version", **tags: str) -> None: ...


def follow_traffic(place: "EmbeddedPlace") -> str | None:
    """Write what the ledger lacks of every change of the traffic, then let the alias `champion` follow.

    Idempotent, and the ledger's only writer here. Returns why the alias could not move, should the registry be away:
    the next call moves it. Raises IntegrityError if the ledger was tampered with, is lost, or was made anew.
    """
    write_ledger(place)
    live = place.slots.live()
    if live is None:
        return None
    try:
        move_alias(place.registry, place.model, live, place.release_record)
    except RegistryError as error:
        return f"the alias `{CHAMPION}` has not moved yet: {error}"
    return None


def write_ledger(place: "EmbeddedPlace") -> None:
    """Bring the ledger after the traffic, and note what it wrote beside each change."""
    from titlebout.release.head import move_head

    move_head(place.storage, place.ledger, place.model)  # first, so that nothing is written after a chain that was cut short
    slots, changes = place.slots, place.slots.traffic.history()
    noted = {change.number: slots.traffic.recorded(change.number) for change in changes}  # before the chain: another writer may be at it
    written = {stored.key: stored for stored in place.ledger.chain(place.model)}
    if lost := next((fault for number, recorded in noted.items() for fault in lost_entries(number, recorded, written)), None):
        raise IntegrityError(
            f"ledger of {place}",
            expected="what was written there",
            found=lost,
            next_step="restore ledger.db from a backup; docs/release.md",
        )
    for change in changes:
        is_new = key_of(slots, change) not in written
        for one in told_of(slots, change, place.release_record(change.release).override if is_new else None):
            if one.key not in written:
                one.write(place.ledger, place.model)
    _note_recorded(place, changes)
    move_head(place.storage, place.ledger, place.model)


def settle(place: "EmbeddedPlace", change: Change, *, by: str, reason: str) -> bool:
    """Say that the bake of the change went well; False if the traffic has moved on, for then it was of no use."""
    with place.slots.lock_traffic():
        live = place.slots.live()
        if live is None or live.number != change.number:
            return False
        place.slots.traffic.settle(change.number, Settled(by=by, reason=reason, time=datetime.now(UTC).isoformat()))
    write_ledger(place)
    return True


def key_of(slots: EmbeddedSlots, change: Change) -> str:
    """What the ledger calls a change of this address's traffic."""
    return f"{slots.ports.address}/{change.number}"


def told_of(slots: EmbeddedSlots, change: Change, override: Override | None) -> list[Told]:
    """Return all that the ledger has to say about a change, in order; `override` is that of its release."""
    key = key_of(slots, change)
    told = told_of_change(change, key=key, override=override)
    if settled := slots.traffic.settled(change.number):
        told.append(told_of_settling(told[-1], **settled.model_dump()))
    return told


def lost_entries(number: int, noted: Recorded, written: "dict[str, StoredEntry]") -> list[str]:
    """Name what a ledger once wrote about the change with this number, and this ledger does not hold."""
    gone = [key for key in noted.hashes if key not in written]
    other = [written[key].sequence for key, hash_then in noted.hashes.items() if key in written and written[key].hash != hash_then]
    return [
        *(f"the entry about change {number} of the traffic ({key}) was written and is gone: the ledger is lost" for key in gone),
        *(f"entry {sequence} is not the one that was written about change {number}: the ledger was made anew" for sequence in other),
    ]


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


def _note_recorded(place: "EmbeddedPlace", changes: list[Change]) -> None:
    """A note that was never made, since a release was killed, is made now."""
    traffic, written = place.slots.traffic, {stored.key: stored.hash for stored in place.ledger.chain(place.model)}
    with place.slots.lock_traffic():
        for change in changes:
            key = key_of(place.slots, change)
            hashes = {one: written[one] for one in (key, f"{key}{SETTLED}", f"{key}{OVERRIDDEN}") if one in written}
            if hashes.keys() - traffic.recorded(change.number).hashes.keys():
                traffic.note_recorded(change.number, Recorded(hashes=hashes))
