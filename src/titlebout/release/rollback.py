"""Rollback: one switch back to the slot that had the traffic before. Nothing heavy is imported until the traffic has moved."""

import logging
import time
from pathlib import Path

from titlebout.release.adapters import ADAPTERS
from titlebout.release.open_target import open_target
from titlebout.release.outcome import Outcome, State, outcome_of
from titlebout.release.release_target import Adapters, ReleaseTarget
from titlebout.rollout import Change
from titlebout.spec import IntegrityError, RolloutError, TitleboutError, require_words

log = logging.getLogger(__name__)


def rollback(
    project: Path,
    model: str,
    environment: str,
    *,
    by: str,
    reason: str,
    adapters: Adapters = ADAPTERS,
) -> Outcome:
    """Give the traffic back to the release before: image, model, threshold and configuration as one.

    Run again, it does nothing more: it never goes forth again to what was rolled back. It needs no MLflow: the alias follows when the
    server is back. Where a strategy divides the requests, they are all the live release's again; with a slot under test that is all.
    Raises RolloutError if there is nothing to roll back to, or if what has the traffic afterwards does not answer; SpecError for an
    unknown model or an empty reason.
    """
    began = time.monotonic()
    by, reason = require_words("--by", by), require_words("--reason", reason)
    log.info("roll back %s in %s, by %s: %s", model, environment, by, reason)
    with open_target(project, model, environment, adapters) as target:
        live = target.slots.live()
        if live is not None and live.kind == "rolled_back":
            return _outcome(
                target,
                live,
                "taken back" if target.reset_route() else "already rolled back",
                seconds=None,
            )
        try:
            change = switch_back(target, live, by=by, reason=reason)
        except RolloutError:
            if live is None or not target.reset_route():
                raise
            return _outcome(target, live, "taken back", seconds=None)
        seconds = time.monotonic() - began
        target.reset_route()
        return _outcome(target, change, "rolled back", seconds=seconds)


def switch_back(target: ReleaseTarget, live: Change | None, *, by: str, reason: str) -> Change:
    """Move the traffic to the rollback slot, which is started again should it have died."""
    slot = target.slots.other()
    deployment = target.slots.deployed(slot)
    if (
        live is None
        or live.from_release is None
        or deployment is None
        or deployment.release != live.from_release
    ):
        raise RolloutError(
            str(target),
            expected="a release to roll back to in the other slot",
            found=_why_not(target, live),
            next_step=f"titlebout history {target.model} --env {target.environment.name}",
        )
    target.slots.start(slot)
    return target.slots.switch(
        slot, kind="rolled_back", by=by, reason=reason, evidence={}, after=live.number
    )


def _why_not(target: ReleaseTarget, live: Change | None) -> str:
    if live is None:
        return "nothing was ever released"
    if live.from_release is None:
        return f"{live.release[:12]} is the first release"
    return f"a later release took slot {target.slots.other()}"


def _outcome(
    target: ReleaseTarget, change: Change, state: State, *, seconds: float | None
) -> Outcome:
    """Also brings ledger and alias after the traffic; here the database and MLflow are imported."""
    try:
        note = target.reconcile()
    except IntegrityError as error:  # the traffic has moved, and that is what counts now; `titlebout verify` goes on naming the fault
        note = f"the ledger was not written: {error}"
    _require_answer(target, change)
    return outcome_of(target, change, state, note=note, seconds=seconds)


def _require_answer(target: ReleaseTarget, change: Change) -> None:
    """Nobody is told that a release has the traffic while its clients get no answer."""
    try:
        target.slots.require_answer(change)
    except TitleboutError as error:
        raise RolloutError(
            str(target),
            expected=f"release {change.release[:12]}, to which the traffic goes now, to answer",
            found=f"it does not: {error.subject}: {error.found}",
            next_step=f"{error.next_step}; then run the rollback again, which moves nothing a second time",
        ) from error
