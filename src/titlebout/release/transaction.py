"""Release a Challenger: from its verdict to live traffic.

Each step can be done again after a kill.
"""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from titlebout.cluster import patiently
from titlebout.release.adapters import ADAPTERS
from titlebout.release.approval import (
    Approval,
    approval_for,
    failures_in_words,
    find_challenger,
    unvalidated_since,
)
from titlebout.release.open_target import open_target
from titlebout.release.outcome import Outcome, outcome_of
from titlebout.release.release_target import Adapters, Packaged, ReleaseTarget, Tests
from titlebout.release.rollback import switch_back
from titlebout.release.trained_configuration import require_as_trained
from titlebout.rollout import Change
from titlebout.spec import (
    CONFIGURATION_TAG,
    CONTRACT_FILE,
    Contract,
    NotAllowed,
    Override,
    Progress,
    Release,
    RolloutError,
    SlotName,
    TitleboutError,
    code_version,
    require_words,
)
from titlebout.storage import layout

log = logging.getLogger(__name__)

# A release takes about a minute: a second one is told so instead of waiting.
LOCK_WAIT_SECONDS = 10.0


def release(
    project: Path,
    model: str,
    environment: str,
    *,
    by: str,
    override: Override | None,
    version: str | None = None,
    progress: Progress,
    adapters: Adapters = ADAPTERS,
    wait_seconds: float = LOCK_WAIT_SECONDS,
) -> Outcome:
    """Let the Challenger, or the version with the number `version`, take the traffic.

    A failure before the switch leaves the live slot untouched and stops the other. After the
    switch, the traffic goes back. A release that was killed at any point and is run again ends in
    the same state.

    Raise NotAllowed if nothing permits the release, or while the ledger is late. Raise
    RolloutError if a test or the bake fails, and Busy while another release is under way.
    """
    began = time.monotonic()
    by, override = require_words("--by", by), _require_reason(override)
    log.info("release %s in %s, by %s", model, environment, by)
    with (
        open_target(project, model, environment, adapters) as target,
        target.lock(by=by, wait_seconds=wait_seconds) as check_lock,
    ):
        progress("reconcile: ledger and alias with what is really live")
        target.prepare()
        target.reconcile()
        resumed = _resume(target, check_lock, version=version, by=by, progress=progress)
        progress("challenger: its validation and its verdict")
        challenger = find_challenger(target, version=version)
        if challenger is None:
            return resumed or _nothing_to_release(target)
        target.require_recorded()
        require_as_trained(target, challenger, progress=progress)
        live = target.slots.live()
        approval = approval_for(target, challenger, override, live=live)
        packaged = _package(target, approval, progress=progress)
        if live and live.release == packaged.record.id:
            return outcome_of(target, live, "already live", note=target.reconcile())
        tests = _prepare_slot(target, packaged, progress=progress)
        check_lock()
        change = _switch(target, packaged, live, by=by, tests=tests, progress=progress)
        seconds = time.monotonic() - began
        outcome = _complete(target, change, check_lock, by=by, progress=progress)
        return outcome.model_copy(update={"switch_seconds": seconds, "tests": tests})


def _require_reason(override: Override | None) -> Override | None:
    """Return the override; raise SpecError if it names nobody or gives no reason."""
    if override is None:
        return None
    return Override(
        by=require_words("--by", override.by), reason=require_words("--override", override.reason)
    )


def _package(target: ReleaseTarget, approval: Approval, *, progress: Progress) -> Packaged:
    """Package the version and write the release's record, in place of an earlier run's."""
    progress(f"package: version {approval.version.version}")
    shutil.rmtree(target.work, ignore_errors=True)
    target.work.mkdir(parents=True)
    folder = target.registry.download(approval.version, target.work / "model")
    package = target.package(folder, target.work / "package")
    contract = Contract.from_json(folder / CONTRACT_FILE)
    record = Release(
        model=target.model,
        model_digest=approval.version.digest,
        package_digest=package.digest,
        data_digest=approval.version.tags["dataset"],
        code_version=code_version(target.project),
        configuration_digest=approval.version.tags[CONFIGURATION_TAG],
        threshold=contract.threshold,
        verdict=approval.verdict,
        override=approval.override,
    )
    progress(f"record: release {record.id[:12]}")
    target.storage.write_record(record, *layout.release(record.id))
    return Packaged(
        record, package, example={column.name: column.example for column in contract.inputs}
    )


def _prepare_slot(target: ReleaseTarget, packaged: Packaged, *, progress: Progress) -> Tests:
    """Deploy to the idle slot and test it there; stop that slot if anything fails."""
    slot = target.slots.other()
    target.check(slot, packaged)
    try:
        progress(f"deploy: slot {slot}")
        target.slots.undeploy(slot)
        target.deploy(slot, packaged)
        progress(f"ready: slot {slot} at {target.slots.slot_url(slot)}")
        tests = target.test(slot, packaged, progress=progress)
        target.run_strategy(slot, tests, progress=progress)
        return tests
    except TitleboutError:
        target.slots.undeploy(slot)
        raise


def _switch(
    target: ReleaseTarget,
    packaged: Packaged,
    live: Change | None,
    *,
    by: str,
    tests: Tests,
    progress: Progress,
) -> Change:
    """Move the traffic to the tested slot.

    `live` is the change that the release was approved against. Raise NotAllowed if the traffic has
    moved since, or if the slot holds another release.
    """
    slot = _require_tested_slot(target, packaged)
    reason = f"verdict {packaged.record.verdict[:12]}" if packaged.record.verdict else "override"
    evidence = target.switch_evidence(
        slot,
        {"tests": list(tests), "verdict": packaged.record.verdict, "example": packaged.example},
    )
    progress(f"allow: slot {slot} may take the traffic")
    target.slots.allow(slot)
    try:
        progress(f"switch: to slot {slot}")
        return target.slots.switch(
            slot,
            kind="switched",
            by=by,
            reason=reason,
            evidence=evidence,
            after=live.number if live else None,
        )
    except TitleboutError:
        target.slots.undeploy(slot)  # nobody may switch to a release that nobody will watch
        raise


def _require_tested_slot(target: ReleaseTarget, packaged: Packaged) -> SlotName:
    """Return the idle slot; raise NotAllowed if the release is not deployed there."""
    slot = target.slots.other()
    if (deployed := target.slots.deployed(slot)) is None or deployed.release != packaged.record.id:
        raise NotAllowed(
            f"slot {slot} of {target}",
            expected=f"release {packaged.record.id[:12]}, which was tested there",
            found=f"release {deployed.release[:12]}" if deployed else "nothing",
            next_step="somebody else deployed there, or moved the traffic; "
            "look at titlebout history, then run the command again",
        )
    return slot


def _resume(
    target: ReleaseTarget,
    check_lock: Callable[[], None],
    *,
    version: str | None,
    by: str,
    progress: Progress,
) -> Outcome | None:
    """Complete what an earlier run left after its switch; return None if it left nothing.

    The example row that the bake needs is in the change.
    """
    live = target.slots.live()
    if live is None or not target.is_unsettled(live):
        return None
    progress(f"resume: release {live.release[:12]} was switched to and not settled")
    try:
        return _complete(target, live, check_lock, by=by, progress=progress)
    except RolloutError as error:
        if live.from_release is not None or find_challenger(target, version=version) is None:
            raise
        progress(
            f"{error.found}; a first release has nothing before it, so the next one replaces it"
        )
        return None


def _complete(
    target: ReleaseTarget,
    change: Change,
    check_lock: Callable[[], None],
    *,
    by: str,
    progress: Progress,
) -> Outcome:
    """Finish a release after the switch: ledger, alias, bake, and `settled` or a rollback.

    Only the lock's holder may settle it or roll it back.
    """
    note, fault = _reconcile_and_bake(target, change, progress=progress)
    patiently(check_lock)
    if fault is not None:
        progress(f"bake failed: {fault}")
        raise _roll_back(target, change, fault, by=by)
    progress("settle: the ledger records that the bake passed")
    if not target.settle(change, by=by, reason="the bake went well"):
        raise NotAllowed(
            str(target),
            expected=f"release {change.release[:12]} live to the end of its bake",
            found="somebody moved the traffic during the bake",
            next_step="look at titlebout history",
        )
    return outcome_of(target, change, "released", note=note)


def _reconcile_and_bake(
    target: ReleaseTarget, change: Change, *, progress: Progress
) -> tuple[str | None, str | None]:
    """Return what of ledger and alias is still late, and the bake's fault; None for each without.

    A step that cannot be done is a fault: no release stays live unwatched or unrecorded.
    """
    note = None
    try:
        progress("follow: ledger and alias after the traffic")
        note = target.reconcile()
        return note, target.bake(change, progress=progress)
    except TitleboutError as error:
        return note, f"it could not be done: {error}"


def _roll_back(target: ReleaseTarget, change: Change, fault: str, *, by: str) -> RolloutError:
    """Send the traffic back and stop the failed slot; return the error to raise.

    A first release has nothing before it, and stays live.
    """
    ended = "it was the first release, so it stays live; train a better one and release that"
    if change.from_release is not None:
        patiently(lambda: _switch_back_once(target, change, by=by, reason=f"bake failed: {fault}"))
        ended = (
            f"release {change.from_release[:12]} has the traffic again; "
            f"read the log of slot {change.slot}"
        )
        try:
            target.slots.undeploy(change.slot)
            target.reconcile()
            if live := target.slots.live():
                target.slots.require_answer(live)
        except TitleboutError as error:
            ended += f"; what could not be done after that: {error}"
    return RolloutError(
        f"bake of release {change.release[:12]}",
        expected="predictions without errors",
        found=fault,
        next_step=ended,
    )


def _switch_back_once(target: ReleaseTarget, change: Change, *, by: str, reason: str) -> None:
    """Switch back, unless the release before has the traffic already.

    An earlier try may have done it and lost the answer, or somebody else was faster.
    """
    live = target.slots.live()
    if live is None or live.release != change.from_release:
        switch_back(target, change, by=by, reason=reason)


def _nothing_to_release(target: ReleaseTarget) -> Outcome:
    """Return that the live release stays; raise NotAllowed if a Challenger is needed."""
    live = target.slots.live()
    if live is None or live.kind == "rolled_back":
        raise NotAllowed(
            str(target),
            expected="a Challenger: a version that passed validation",
            found=f"none; {_why_none(target, live)}",
            next_step=f"titlebout train {target.model} --env {target.environment.name}",
        )
    failed = unvalidated_since(target, None)
    return outcome_of(
        target, live, "already live", note=failures_in_words(failed) if failed else None
    )


def _why_none(target: ReleaseTarget, live: Change | None) -> str:
    if (failed := unvalidated_since(target, None)) is not None:
        return failures_in_words(failed)
    return (
        f"release {live.from_release[:12]} was rolled back"
        if live and live.from_release
        else "no version was trained since"
    )
