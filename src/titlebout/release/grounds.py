"""On what ground a version is released: it passed validation, and the gate accepts it against today's Champion or a person overrides."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from titlebout.release.follow import CHALLENGER
from titlebout.release.place import Place
from titlebout.rollout import Change
from titlebout.spec import NotAllowed, Override, Verdict

if TYPE_CHECKING:
    from titlebout.registry import Version


@dataclass(frozen=True)
class Ground:
    """`verdict` is the digest of the gate's verdict, if there is one; `override` as it was given: the tests may need it."""

    version: "Version"
    verdict: str | None
    override: Override | None


def find_challenger(place: Place) -> "Version | None":
    """The version with the alias `challenger`, unless it is live or was just rolled back: the alias may only be late.

    Raises NotAllowed if it did not pass validation, which no override mends.
    """
    version = place.registry.find(place.model, alias=CHALLENGER)
    if version is not None and version.digest in _had_their_turn(place):
        return None
    if version is not None and version.tags.get("validation_status") != "passed":
        raise NotAllowed(
            f"version {version.version} of {place}",
            expected="validation_status passed",
            found=f"validation_status {version.tags.get('validation_status', 'missing')}",
            next_step="train again; an override does not stand in for validation",
        )
    return version


def _had_their_turn(place: Place) -> set[str]:
    live = place.slots.live()
    if live is None:
        return set()
    return {place.release_record(release).model_digest for release in live.had_their_turn}


def ground_for(place: Place, version: "Version", override: Override | None, *, live: Change | None) -> Ground:
    """`live` is what the release shall take over from; raises NotAllowed if neither the verdict nor an override permits the release."""
    digest = version.tags.get("verdict")
    objection = _objection(place, version, digest, live)
    if objection is not None and override is None:
        raise NotAllowed(
            f"version {version.version} of {place}",
            expected="a verdict `accept` against what is live",
            found=objection,
            next_step="train again, or release with --override and a reason",
        )
    return Ground(version, verdict=digest, override=override)


def _objection(place: Place, version: "Version", digest: str | None, live: Change | None) -> str | None:
    """What speaks against the release; None if nothing does. An altered verdict raises IntegrityError: no override mends that."""
    if digest is None:
        return "no verdict: the gate has not judged it"
    if not place.storage.exists("verdicts", f"{digest}.json"):
        return f"verdict {digest[:12]} is named but not stored"
    verdict = place.storage.read_record(Verdict, "verdicts", f"{digest}.json", digest=digest)
    if (verdict.model, verdict.challenger_digest) != (place.model, version.digest):
        return f"the verdict is about another model ({verdict.challenger_digest[:12]})"
    if verdict.verdict != "accept":
        return f"verdict {verdict.verdict}: {'; '.join(verdict.reasons)}"
    return _stale(place, verdict, live)


def _stale(place: Place, verdict: Verdict, live: Change | None) -> str | None:
    """A verdict holds against the opponent it was reached with; since then another model may have become the Champion."""
    if place.environment.gate.opponent == "baseline" or live is None:
        return None if verdict.opponent == "baseline" else "a verdict against a Champion, and none is live"
    champion = place.release_record(live.release).model_digest
    if verdict.opponent == "baseline":
        return f"a verdict against the baseline, though model {champion[:12]} is live"
    if verdict.opponent_digest != champion:
        return f"a verdict against a former Champion ({(verdict.opponent_digest or 'none')[:12]}); model {champion[:12]} is live now"
    return None
