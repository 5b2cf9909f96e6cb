"""Ledger and alias come after the traffic: what is really live is written down, from whichever side the change came."""

from datetime import UTC, datetime

from titlebout.release.embedded import EmbeddedPlace
from titlebout.rollout import Change, EmbeddedSlots
from titlebout.spec import RegistryError

CHAMPION, CHALLENGER = "champion", "challenger"


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
        _move_alias(place, live)
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


def _record_change(place: EmbeddedPlace, change: Change) -> None:
    override = place.release_record(change.release).override if change.kind == "switched" else None
    if override:
        place.ledger.append(
            place.model,
            key=overridden_key(place.slots, change),
            time=change.time,
            kind="overridden",
            from_release=change.from_release,
            to_release=change.release,
            by=override.by,
            reason=override.reason,
            evidence={},
        )
    place.ledger.append(
        place.model,
        key=traffic_key(place.slots, change),
        time=change.time,
        kind=change.kind,
        from_release=change.from_release,
        to_release=change.release,
        by=change.by,
        reason=change.reason,
        evidence={"slot": change.slot, **change.evidence},
    )


def _move_alias(place: EmbeddedPlace, live: Change) -> None:
    """`champion` to the version that is live; a `challenger` that won, or won and was rolled back, is none any more."""
    digest = place.release_record(live.release).model_digest
    champion = place.registry.find(place.model, alias=CHAMPION)
    challenger = place.registry.find(place.model, alias=CHALLENGER)
    if champion is None or champion.digest != digest:
        winner = challenger if challenger and challenger.digest == digest else place.registry.find(place.model, digest=digest)
        if winner is None:
            raise RegistryError(
                f"{place}", expected=f"a version with model digest {digest}", found="none", next_step="register the released model again"
            )
        champion = winner
        place.registry.set_alias(place.model, CHAMPION, winner)
    if champion.tags.get("release") != live.release:
        place.registry.tag(champion, release=live.release)
    if challenger and challenger.digest in _had_their_turn(place, live):
        place.registry.clear_alias(place.model, CHALLENGER)


def _had_their_turn(place: EmbeddedPlace, live: Change) -> set[str]:
    """The digests of the live model, and of the one that was just rolled back."""
    releases = {live.release} | ({live.from_release} if live.kind == "rolled_back" and live.from_release else set())
    return {place.release_record(release).model_digest for release in releases}
