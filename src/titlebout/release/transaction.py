"""The release transaction: from the gate's winner to live traffic, in steps that can each be done again after a kill."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from titlebout.cluster import patiently
from titlebout.release.baseline import with_baseline
from titlebout.release.configuration import require_as_trained
from titlebout.release.edges import EDGES
from titlebout.release.grounds import Ground, failures_in_words, find_challenger, ground_for, unvalidated_since
from titlebout.release.outcome import Outcome, outcome_of
from titlebout.release.place import Edges, Packaged, Place, Say, Tests, open_place
from titlebout.release.undo import switch_back
from titlebout.rollout import Change
from titlebout.spec import (
    CONFIGURATION_TAG,
    CONTRACT_FILE,
    Contract,
    NotAllowed,
    Override,
    Release,
    RolloutError,
    TitleboutError,
    code_version,
    require_words,
)

LOCK_WAIT_SECONDS = 10.0  # a release takes about a minute: who comes second is told so rather than kept waiting


def release(
    project: Path,
    model: str,
    environment: str,
    *,
    by: str,
    override: Override | None,
    version: str | None = None,
    progress: Say,
    edges: Edges = EDGES,
    wait_seconds: float = LOCK_WAIT_SECONDS,
) -> Outcome:
    """Let the Challenger, or the version with the number `version`, take the traffic.

    Before the switch a failure leaves the live slot untouched and stops the other; after it, the traffic goes back. Killed at any
    point and run again, it ends in the same state. Raises NotAllowed without a ground, or while the ledger is late; RolloutError if a test
    or the bake fails; Busy.
    """
    began = time.monotonic()
    by, override = require_words("--by", by), _in_words(override)
    with open_place(project, model, environment, edges) as place, place.alone(by=by, wait_seconds=wait_seconds) as require_alone:
        progress("reconcile: ledger and alias with what is really live")
        place.prepare()
        place.follow()
        finished = _finish(place, require_alone, version=version, by=by, progress=progress)
        progress("challenger: its validation and its verdict")
        challenger = find_challenger(place, version=version)
        if challenger is None:
            return finished or _nothing_to_release(place)
        place.require_recorded()
        require_as_trained(place, challenger, progress=progress)
        live = place.slots.live()
        packaged = _packaged(place, ground_for(place, challenger, override, live=live), progress=progress)
        if live and live.release == packaged.record.id:
            note = place.follow()
            return outcome_of(place, live, "already live", note=note)
        tests = _prepare_slot(place, packaged, progress=progress)
        require_alone()
        change = _switch(place, packaged, live, by=by, tests=tests, progress=progress)
        seconds = time.monotonic() - began
        return _complete(place, change, require_alone, by=by, progress=progress).model_copy(
            update={"switch_seconds": seconds, "tests": tests}
        )


def _in_words(override: Override | None) -> Override | None:
    if override is None:
        return None
    return Override(by=require_words("--by", override.by), reason=require_words("--override", override.reason))


def _packaged(place: Place, ground: Ground, *, progress: Say) -> Packaged:
    """Package the version and write the release's record; what an earlier run left is overwritten with the same."""
    progress(f"package: version {ground.version.version}")
    shutil.rmtree(place.work, ignore_errors=True)
    place.work.mkdir(parents=True)
    folder = place.registry.download(ground.version, place.work / "model")
    package = place.package(folder, place.work / "package")
    contract = Contract.from_json(folder / CONTRACT_FILE)
    record = Release(
        model=place.model,
        model_digest=ground.version.digest,
        package_digest=package.digest,
        data_digest=ground.version.tags["dataset"],
        code_version=code_version(place.project),
        configuration_digest=ground.version.tags[CONFIGURATION_TAG],
        threshold=contract.threshold,
        verdict=ground.verdict,
        override=ground.override,
    )
    progress(f"record: release {record.id[:12]}")
    place.storage.write_record(record, "releases", f"{record.id}.json")
    return Packaged(record, package, example={column.name: column.example for column in contract.inputs})


def _prepare_slot(place: Place, packaged: Packaged, *, progress: Say) -> Tests:
    """Deploy to the idle slot and test it there; any failure stops that slot and leaves the live one alone."""
    slot = place.slots.other()
    place.check(slot, packaged)
    try:
        progress(f"deploy: slot {slot}")
        place.slots.vacate(slot)
        place.deploy(slot, packaged)
        progress(f"ready: slot {slot} at {place.slots.slot_url(slot)}")
        tests = place.test(slot, packaged, progress=progress)
        place.meet(slot, tests, progress=progress)
        return tests
    except TitleboutError:
        place.slots.vacate(slot)
        raise


def _switch(place: Place, packaged: Packaged, live: Change | None, *, by: str, tests: Tests, progress: Say) -> Change:
    """`live` is what the release was judged against and the other slot prepared beside; whatever moved since is not switched over."""
    slot = place.slots.other()
    if (deployed := place.slots.deployed(slot)) is None or deployed.release != packaged.record.id:
        raise NotAllowed(
            f"slot {slot} of {place}",
            expected=f"release {packaged.record.id[:12]}, which was tested there",
            found=f"release {deployed.release[:12]}" if deployed else "nothing",
            next_step="somebody else deployed there, or moved the traffic; look at titlebout history, then run the command again",
        )
    reason = f"verdict {packaged.record.verdict[:12]}" if packaged.record.verdict else "override"
    evidence = with_baseline(place, slot, {"tests": list(tests), "verdict": packaged.record.verdict, "example": packaged.example})
    progress(f"allow: slot {slot} may take the traffic")
    place.slots.allow(slot)
    try:
        progress(f"switch: to slot {slot}")
        return place.slots.switch(slot, kind="switched", by=by, reason=reason, evidence=evidence, after=live.number if live else None)
    except TitleboutError:
        place.slots.vacate(slot)  # nobody may switch to what nobody will watch
        raise


def _finish(place: Place, require_alone: Callable[[], None], *, version: str | None, by: str, progress: Say) -> Outcome | None:
    """Take up what an earlier run left after its switch, with the example row that it kept in the change; None if nothing is left."""
    live = place.slots.live()
    if live is None or not place.is_unsettled(live):
        return None
    progress(f"resume: release {live.release[:12]} was switched to and not settled")
    try:
        return _complete(place, live, require_alone, by=by, progress=progress)
    except RolloutError as error:
        if live.from_release is not None or find_challenger(place, version=version) is None:
            raise
        progress(f"{error.found}; a first release has nothing before it, so the next one takes its place")
        return None


def _complete(place: Place, change: Change, require_alone: Callable[[], None], *, by: str, progress: Say) -> Outcome:
    """After the switch: ledger, alias, bake, and `settled`, or the traffic back where it was; the word is whoever's is at it alone."""
    note, fault = _watched(place, change, progress=progress)
    patiently(require_alone)
    if fault is not None:
        progress(f"bake failed: {fault}")
        raise _bake_failed(place, change, fault, by=by)
    progress("settle: the ledger's last word on this release")
    if not place.settle(change, by=by, reason="the bake went well"):
        raise NotAllowed(
            str(place),
            expected=f"release {change.release[:12]} live to the end of its bake",
            found="somebody moved the traffic during the bake",
            next_step="look at titlebout history",
        )
    return outcome_of(place, change, "released", note=note)


def _watched(place: Place, change: Change, *, progress: Say) -> tuple[str | None, str | None]:
    """What is open after following, and what is wrong after the bake, in words.

    What cannot be done has not gone well: nothing stays live because nobody could look, or write it down.
    """
    note = None
    try:
        progress("follow: ledger and alias after the traffic")
        note = place.follow()
        return note, place.bake(change, progress=progress)
    except TitleboutError as error:
        return note, f"it could not be done: {error}"


def _bake_failed(place: Place, change: Change, fault: str, *, by: str) -> RolloutError:
    """Send the traffic back, and let nobody switch there again; the error to raise. A first release has nothing before it, and stays."""
    ended = "it was the first release, so it stays live; train a better one and release that"
    if change.from_release is not None:
        patiently(lambda: _send_back(place, change, by=by, reason=f"bake failed: {fault}"))
        ended = f"release {change.from_release[:12]} has the traffic again; read the log of slot {change.slot}"
        try:
            place.slots.vacate(change.slot)
            place.follow()
            if live := place.slots.live():
                place.slots.require_answer(live)
        except TitleboutError as error:
            ended += f"; what could not be done after that: {error}"
    return RolloutError(f"bake of release {change.release[:12]}", expected="predictions without errors", found=fault, next_step=ended)


def _send_back(place: Place, change: Change, *, by: str, reason: str) -> None:
    """Nothing where that was done, and its answer was lost, or where somebody was faster."""
    live = place.slots.live()
    if live is None or live.release != change.from_release:
        switch_back(place, change, by=by, reason=reason)


def _nothing_to_release(place: Place) -> Outcome:
    live = place.slots.live()
    if live is None or live.kind == "rolled_back":
        raise NotAllowed(
            str(place),
            expected="a Challenger: a version that passed validation",
            found=f"none; {_why_none(place, live)}",
            next_step=f"titlebout train {place.model} --env {place.environment.name}",
        )
    failed = unvalidated_since(place, None)
    return outcome_of(place, live, "already live", note=failures_in_words(failed) if failed else None)


def _why_none(place: Place, live: Change | None) -> str:
    if (failed := unvalidated_since(place, None)) is not None:
        return failures_in_words(failed)
    return f"release {live.from_release[:12]} was rolled back" if live and live.from_release else "no version was trained since"
