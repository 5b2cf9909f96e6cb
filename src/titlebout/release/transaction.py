"""The release transaction: from the gate's winner to live traffic, in steps that can each be done again after a kill."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from titlebout.release.alone import alone
from titlebout.release.edges import EDGES
from titlebout.release.follow import follow_traffic, settle, settled_key
from titlebout.release.grounds import Ground, find_challenger, ground_for
from titlebout.release.outcome import Outcome, outcome_of
from titlebout.release.place import Edges, Place, open_place
from titlebout.release.undo import switch_back
from titlebout.rollout import Change, Deployment, SlotName
from titlebout.spec import (
    CONTRACT_FILE,
    Contract,
    NotAllowed,
    Override,
    Release,
    RolloutError,
    TitleboutError,
    code_version,
)

LOCK_WAIT_SECONDS = 10.0  # a release takes about a minute: who comes second is told so rather than kept waiting
Say = Callable[[str], None]


def release(
    project: Path,
    model: str,
    environment: str,
    *,
    by: str,
    override: Override | None,
    progress: Say,
    edges: Edges = EDGES,
    wait_seconds: float = LOCK_WAIT_SECONDS,
) -> Outcome:
    """Let the Challenger take the traffic.

    Before the switch a failure leaves the live slot untouched and stops the other; after it, the traffic goes back. Killed at any
    point and run again, it ends in the same state. Raises NotAllowed without a ground, RolloutError if a test or the bake fails, Busy.
    """
    began = time.monotonic()
    place = open_place(project, model, environment, edges)
    with alone(place, by=by, wait_seconds=wait_seconds):
        progress("reconcile: ledger and alias with what is really live")
        _require_folder(place)
        place.slots.start_proxy()
        follow_traffic(place)
        finished = _finish(place, by=by, progress=progress)
        progress("challenger: its validation and its verdict")
        challenger = find_challenger(place)
        if challenger is None:
            return finished or _nothing_to_release(place)
        packaged = _packaged(place, ground_for(place, challenger, override), progress=progress)
        live = place.slots.live()
        if live and live.release == packaged.record.id:
            note = follow_traffic(place)
            return outcome_of(place, live, "already live", note=note)
        tests = _prepare_slot(place, packaged, progress=progress)
        change = _switch(place, packaged, by=by, tests=tests, progress=progress)
        seconds = time.monotonic() - began
        return _complete(place, change, by=by, progress=progress).model_copy(update={"switch_seconds": seconds, "tests": tests})


def _require_folder(place: Place) -> None:
    if not place.storage.is_local:
        raise NotAllowed(
            str(place),
            expected="storage in a folder: the embedded server writes its inference table there",
            found=place.environment.storage,
            next_step="serve on Kubernetes, or set `storage` to a folder",
        )


class _Packaged(NamedTuple):
    """A release that is packaged and recorded, and may take a slot; `example` is the row that its contract gives."""

    record: Release
    example: dict[str, Any]


def _packaged(place: Place, ground: Ground, *, progress: Say) -> _Packaged:
    """Package the version and write the release's record; what an earlier run left is overwritten with the same."""
    progress(f"package: version {ground.version.version}")
    work = place.slots.home / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    folder = place.registry.download(ground.version, work / "model")
    package, digest = place.edges.build(place.project, folder, work / "package")
    contract = Contract.from_json(folder / CONTRACT_FILE)
    place.storage.put_folder(package, "packages", digest)
    record = Release(
        model=place.model,
        model_digest=ground.version.digest,
        package_digest=digest,
        data_digest=ground.version.tags["dataset"],
        code_version=code_version(place.project),
        configuration_digest=place.spec.digest,
        threshold=contract.threshold,
        verdict=ground.verdict,
        override=ground.override,
    )
    progress(f"record: release {record.id[:12]}")
    place.storage.write_record(record, "releases", f"{record.id}.json")
    return _Packaged(record, example={column.name: column.example for column in contract.inputs})


def _prepare_slot(place: Place, packaged: _Packaged, *, progress: Say) -> tuple[dict[str, Any], ...]:
    """Deploy to the idle slot and test it there; any failure stops that slot and leaves the live one alone."""
    slot = place.slots.other()
    try:
        progress(f"deploy: slot {slot}")
        place.slots.vacate(slot)
        place.slots.deploy(slot, _deployment(place, slot, packaged))
        progress(f"ready: slot {slot} at {place.slots.slot_url(slot)}")
        return _tested(place, slot, packaged, progress=progress)
    except TitleboutError:
        place.slots.vacate(slot)
        raise


def _deployment(place: Place, slot: SlotName, packaged: _Packaged) -> Deployment:
    folder = place.slots.slot_folder(slot)
    release_file = folder / "release.json"
    release_file.write_text(packaged.record.canonical_json())
    package = Path(place.storage.address("packages", packaged.record.package_digest))
    inference = Path(place.storage.address("inference", place.model))
    command, environment = place.edges.serve(
        package, port=place.slots.port(slot), slot=slot, release_file=release_file, inference=inference
    )
    return Deployment(
        release=packaged.record.id,
        package=packaged.record.package_digest,
        command=tuple(command),
        environment=environment,
        folder=str(folder),
    )


def _tested(place: Place, slot: SlotName, packaged: _Packaged, *, progress: Say) -> tuple[dict[str, Any], ...]:
    from titlebout.release.predeployment import Subject, run_tests

    subject = Subject(place.slots.slot_url(slot), release=packaged.record.id, row=packaged.example)
    seconds = place.environment.serving.test_seconds if place.environment.serving else 0.0
    results = run_tests(subject, place.spec.service, seconds=seconds, progress=progress)
    return tuple(result.model_dump(mode="json") for result in results)


def _switch(place: Place, packaged: _Packaged, *, by: str, tests: tuple[dict[str, Any], ...], progress: Say) -> Change:
    slot, live = place.slots.other(), place.slots.live()
    progress(f"allow: slot {slot} may take the traffic")
    place.slots.allow(slot)
    progress(f"switch: to slot {slot}")
    reason = f"verdict {packaged.record.verdict[:12]}" if packaged.record.verdict else "override"
    evidence = {"tests": list(tests), "verdict": packaged.record.verdict, "example": packaged.example}
    return place.slots.switch(slot, kind="switched", by=by, reason=reason, evidence=evidence, after=live.number if live else None)


def _finish(place: Place, *, by: str, progress: Say) -> Outcome | None:
    """Take up what an earlier run left after its switch, with the example row that it kept in the change; None if nothing is left."""
    live = place.slots.live()
    if live is None or live.kind != "switched" or place.ledger.find(place.model, settled_key(place.slots, live)):
        return None
    progress(f"resume: release {live.release[:12]} was switched to and not settled")
    return _complete(place, live, by=by, progress=progress)


def _complete(place: Place, change: Change, *, by: str, progress: Say) -> Outcome:
    """After the switch: ledger, alias, bake, and `settled`, or the traffic back where it was."""
    from titlebout.release.bake import bake

    progress("follow: ledger and alias after the traffic")
    note = follow_traffic(place)
    fault = bake(place, change, change.evidence["example"], progress=progress)
    if fault is not None:
        progress(f"bake failed: {fault}")
        raise _bake_failed(place, change, fault, by=by)
    progress("settle: the ledger's last word on this release")
    if not settle(place, change, by=by, reason="the bake went well"):
        raise NotAllowed(
            str(place),
            expected=f"release {change.release[:12]} live to the end of its bake",
            found="somebody moved the traffic during the bake",
            next_step="look at titlebout history",
        )
    return outcome_of(place, change, "released", note=note)


def _bake_failed(place: Place, change: Change, fault: str, *, by: str) -> RolloutError:
    """Send the traffic back; the error to raise. The first release has nothing before it, and stays."""
    ended = "it was the first release, so it stays live; train a better one, or stop serving with `titlebout down`"
    if change.from_release is not None:
        switch_back(place, change, by=by, reason=f"bake failed: {fault}")
        follow_traffic(place)
        ended = f"release {change.from_release[:12]} has the traffic again; read the log of slot {change.slot}"
    return RolloutError(f"bake of release {change.release[:12]}", expected="predictions without errors", found=fault, next_step=ended)


def _nothing_to_release(place: Place) -> Outcome:
    live = place.slots.live()
    if live is None or live.kind == "rolled_back":
        raise NotAllowed(
            str(place),
            expected="a Challenger: a version that passed validation",
            found=f"none; release {live.from_release[:12]} was rolled back" if live and live.from_release else "none",
            next_step=f"titlebout train {place.model} --env {place.environment.name}",
        )
    return outcome_of(place, live, "already live", note=None)
