"""On what ground a version is released: it passed validation, and the gate accepts it against today's Champion or a person overrides."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from titlebout.ledger import CHALLENGER
from titlebout.release.release_target import ReleaseTarget
from titlebout.rollout import Change
from titlebout.spec import NotAllowed, Override, Verdict
from titlebout.storage import layout

if TYPE_CHECKING:
    from titlebout.registry import Version

PASSED, FAILED = "passed", "failed"  # a version's validation_status


@dataclass(frozen=True)
class Approval:
    """`verdict` is the digest of the gate's verdict, if there is one.

    `override` names what it overrides. It may override nothing of the gate's: the tests may need it.
    """

    version: "Version"
    verdict: str | None
    override: Override | None


def find_challenger(target: ReleaseTarget, *, version: str | None = None) -> "Version | None":
    """Return the version with the alias `challenger`, unless it is live or was just rolled back: the alias may only be late.

    Raises NotAllowed if it did not pass validation, for which no override stands in, or if a newer version did not pass it: then a person
    names by `version` which one is meant. One that is named is released again after a rollback, but not if it is live.
    """
    found = (
        _named(target, version)
        if version is not None
        else target.registry.find(target.model, alias=CHALLENGER)
    )
    over = _recently_live(target) if version is None else _live(target)
    if found is not None and found.digest in over:
        return None
    if found is not None and found.tags.get("validation_status") != PASSED:
        raise NotAllowed(
            f"version {found.version} of {target}",
            expected=f"validation_status {PASSED}",
            found=f"validation_status {found.tags.get('validation_status', 'missing')}",
            next_step="train again; an override does not stand in for validation",
        )
    if version is None and found is not None:
        _refuse_older(target, found)
    return found


def unvalidated_since(target: ReleaseTarget, number: str | None) -> "Version | None":
    """Return the newest version if it did not pass validation and is newer than `number`."""
    newest = target.registry.newest(target.model)
    if newest is None or newest.tags.get("validation_status") == PASSED:
        return None
    return newest if number is None or int(newest.version) > int(number) else None


def failures_in_words(version: "Version") -> str:
    if version.tags.get("validation_status") != FAILED:
        return f"version {version.version} was not validated: its training is under way, or ended before"
    return f"version {version.version} failed validation: {version.tags.get('validation_failures') or 'no reason recorded'}"


def _named(target: ReleaseTarget, number: str) -> "Version":
    version = target.registry.find(target.model, version=number) if number.isdecimal() else None
    if version is None:
        raise NotAllowed(
            f"--version {number}",
            expected=f"the number of a version of {target.model}",
            found="no such version",
            next_step="see the versions of the registered model on the MLflow server",
        )
    return version


def _refuse_older(target: ReleaseTarget, challenger: "Version") -> None:
    if (failed := unvalidated_since(target, challenger.version)) is not None:
        raise NotAllowed(
            f"version {challenger.version} of {target}",
            expected="the newest version, or --version",
            found=f"a newer one: {failures_in_words(failed)}",
            next_step=f"train again, or release the older one by its number: --version {challenger.version}",
        )


def _recently_live(target: ReleaseTarget) -> set[str]:
    live = target.slots.live()
    if live is None:
        return set()
    return {target.release_record(release).model_digest for release in live.recently_live}


def _live(target: ReleaseTarget) -> set[str]:
    live = target.slots.live()
    return set() if live is None else {target.release_record(live.release).model_digest}


def approval_for(
    target: ReleaseTarget, version: "Version", override: Override | None, *, live: Change | None
) -> Approval:
    """`live` is what the release shall take over from; raises NotAllowed if neither the verdict nor an override permits the release."""
    digest = version.tags.get("verdict")
    objection = _objection(target, version, digest, live)
    if objection is not None and override is None:
        raise NotAllowed(
            f"version {version.version} of {target}",
            expected="a verdict `accept` against what is live",
            found=objection,
            next_step="train again, or release with --override and a reason",
        )
    named = override.model_copy(update={"overrides": objection}) if override is not None else None
    return Approval(version, verdict=digest, override=named)


def _objection(
    target: ReleaseTarget, version: "Version", digest: str | None, live: Change | None
) -> str | None:
    """What speaks against the release; None if nothing does. An altered verdict raises IntegrityError: no override mends that."""
    if digest is None:
        return "no verdict: the gate has not judged it"
    if not target.storage.exists(*layout.verdict(digest)):
        return f"verdict {digest[:12]} is named but not stored"
    verdict = target.storage.read_record(Verdict, *layout.verdict(digest), digest=digest)
    if (verdict.model, verdict.challenger_digest) != (target.model, version.digest):
        return f"the verdict is about another model ({verdict.challenger_digest[:12]})"
    if verdict.verdict != "accept":
        return f"verdict {verdict.verdict}: {'; '.join(verdict.reasons)}"
    return _stale(target, verdict, live)


def _stale(target: ReleaseTarget, verdict: Verdict, live: Change | None) -> str | None:
    """A verdict holds against the opponent it was reached with; since then another model may have become the Champion."""
    if target.environment.gate.opponent == "baseline" or live is None:
        return (
            None
            if verdict.opponent == "baseline"
            else "a verdict against a Champion, and none is live"
        )
    champion = target.release_record(live.release).model_digest
    if verdict.opponent == "baseline":
        return f"a verdict against the baseline, though model {champion[:12]} is live"
    if verdict.opponent_digest != champion:
        return f"a verdict against a former Champion ({(verdict.opponent_digest or 'none')[:12]}); model {champion[:12]} is live now"
    return None
