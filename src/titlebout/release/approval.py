"""Approve a version for release.

It passed validation, and the gate accepts it against today's Champion or a person overrides that.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from titlebout.ledger import CHALLENGER
from titlebout.release.release_target import ReleaseTarget
from titlebout.rollout import Change
from titlebout.spec import NotAllowed, Override, Verdict
from titlebout.storage import layout

if TYPE_CHECKING:
    from titlebout.registry import Version

# A version's validation_status.
PASSED = "passed"
FAILED = "failed"


@dataclass(frozen=True)
class Approval:
    """Say why a version may be released.

    `verdict` is the digest of the gate's verdict, or None if there is none. `override` names what
    it overrides. That may be nothing of the gate's: the pre-deployment tests may need an override.
    """

    version: "Version"
    verdict: str | None
    override: Override | None


def find_challenger(target: ReleaseTarget, *, version: str | None = None) -> "Version | None":
    """Return the version with the alias `challenger`, or with the number `version`; or None.

    Return None for a version that is live. Without `version`, return None also for one that was
    just rolled back: the alias may only be late.

    Raise NotAllowed if the version did not pass validation, which no override replaces. Raise it
    also if a newer version did not pass: then a person names by `version` which one is meant.
    """
    if version is None:
        found = target.registry.find(target.model, alias=CHALLENGER)
        past_digests = _recently_live_digests(target)
    else:
        found = _require_version(target, version)
        past_digests = _live_digests(target)
    if found is not None and found.digest in past_digests:
        return None
    if found is not None and found.tags.get("validation_status") != PASSED:
        raise NotAllowed(
            f"version {found.version} of {target}",
            expected=f"validation_status {PASSED}",
            found=f"validation_status {found.tags.get('validation_status', 'missing')}",
            next_step="train again; an override does not replace validation",
        )
    if version is None and found is not None:
        _require_newest(target, found)
    return found


def unvalidated_since(target: ReleaseTarget, number: str | None) -> "Version | None":
    """Return the newest version if it did not pass validation and is newer than `number`."""
    newest = target.registry.newest(target.model)
    if newest is None or newest.tags.get("validation_status") == PASSED:
        return None
    return newest if number is None or int(newest.version) > int(number) else None


def failures_in_words(version: "Version") -> str:
    """Return why a version has not passed validation, as one sentence for people."""
    if version.tags.get("validation_status") != FAILED:
        return (
            f"version {version.version} was not validated: "
            "its training is under way, or ended before"
        )
    failures = version.tags.get("validation_failures") or "no reason recorded"
    return f"version {version.version} failed validation: {failures}"


def _require_version(target: ReleaseTarget, number: str) -> "Version":
    """Return the version with this number, or raise NotAllowed."""
    version = target.registry.find(target.model, version=number) if number.isdecimal() else None
    if version is None:
        raise NotAllowed(
            f"--version {number}",
            expected=f"the number of a version of {target.model}",
            found="no such version",
            next_step="see the versions of the registered model on the MLflow server",
        )
    return version


def _require_newest(target: ReleaseTarget, challenger: "Version") -> None:
    """Raise NotAllowed if a newer version has not passed validation."""
    if (failed := unvalidated_since(target, challenger.version)) is not None:
        raise NotAllowed(
            f"version {challenger.version} of {target}",
            expected="the newest version, or --version",
            found=f"a newer one: {failures_in_words(failed)}",
            next_step="train again, or release the older one by its number: "
            f"--version {challenger.version}",
        )


def _recently_live_digests(target: ReleaseTarget) -> set[str]:
    """Return the model digests of the releases that are live or were live shortly before."""
    live = target.slots.live()
    if live is None:
        return set()
    return {target.release_record(release).model_digest for release in live.recently_live}


def _live_digests(target: ReleaseTarget) -> set[str]:
    """Return the model digest of the live release, in a set; empty if none is live."""
    live = target.slots.live()
    return set() if live is None else {target.release_record(live.release).model_digest}


def approval_for(
    target: ReleaseTarget, version: "Version", override: Override | None, *, live: Change | None
) -> Approval:
    """Return the approval of a version to take over from `live`.

    Raise NotAllowed if neither the verdict nor an override permits the release. Raise
    IntegrityError for an altered verdict, which no override permits.
    """
    digest = version.tags.get("verdict")
    refusal = _verdict_refusal(target, version, digest, live)
    if refusal is not None and override is None:
        raise NotAllowed(
            f"version {version.version} of {target}",
            expected="a verdict `accept` against what is live",
            found=refusal,
            next_step="train again, or release with --override and a reason",
        )
    named = override.model_copy(update={"overrides": refusal}) if override is not None else None
    return Approval(version, verdict=digest, override=named)


def _verdict_refusal(
    target: ReleaseTarget, version: "Version", digest: str | None, live: Change | None
) -> str | None:
    """Return why the verdict does not permit the release, or None if it does."""
    if digest is None:
        return "no verdict: the gate has not judged it"
    if not target.storage.exists(*layout.verdict(digest)):
        return f"verdict {digest[:12]} is named but not stored"
    verdict = target.storage.read_record(Verdict, *layout.verdict(digest), digest=digest)
    if (verdict.model, verdict.challenger_digest) != (target.model, version.digest):
        return f"the verdict is about another model ({verdict.challenger_digest[:12]})"
    if verdict.verdict != "accept":
        return f"verdict {verdict.verdict}: {'; '.join(verdict.reasons)}"
    return _stale_reason(target, verdict, live)


def _stale_reason(target: ReleaseTarget, verdict: Verdict, live: Change | None) -> str | None:
    """Return why the verdict is out of date, or None.

    A verdict is valid against the model that it compared. Another may be the Champion by now.
    """
    if target.environment.gate.opponent == "baseline" or live is None:
        if verdict.opponent == "baseline":
            return None
        return "a verdict against a Champion, and none is live"
    champion = target.release_record(live.release).model_digest
    if verdict.opponent == "baseline":
        return f"a verdict against the baseline, though model {champion[:12]} is live"
    if verdict.opponent_digest != champion:
        compared = (verdict.opponent_digest or "none")[:12]
        return (
            f"a verdict against a former Champion ({compared}); model {champion[:12]} is live now"
        )
    return None
