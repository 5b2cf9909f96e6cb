"""Roll back: switch the traffic to the slot that had it before.

Nothing heavy is imported until the traffic has moved.
"""

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

from titlebout.release.adapters import ADAPTERS
from titlebout.release.open_target import open_target
from titlebout.release.outcome import Outcome, State, outcome_of
from titlebout.release.release_target import Adapters, ReleaseTarget
from titlebout.rollout import Change
from titlebout.spec import IntegrityError, RolloutError, TitleboutError, moment_of, require_words

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
    """Give the traffic back to the release before, with its model, threshold and configuration.

    A second rollback moves nothing: it never returns to what was rolled back. No MLflow is needed:
    the alias follows when the server is back. If a strategy divides the requests, the live release
    gets all of them again. While a slot is under test, nothing more is done.

    Raise RolloutError if there is nothing to roll back to, or if nothing moves while a release is
    under way. Raise it, too, if the release that has the traffic afterwards does not answer. Raise
    SpecError for an unknown model or an empty reason.
    """
    began = time.monotonic()
    by, reason = require_words("--by", by), require_words("--reason", reason)
    log.info("roll back %s in %s, by %s: %s", model, environment, by, reason)
    with open_target(project, model, environment, adapters) as target:
        live = target.slots.live()
        if live is not None and live.kind == "rolled_back":
            if target.reset_route():
                return _reconcile_and_report(target, live, "taken back", seconds=None)
            _require_none_under_way(target, live, found="nothing to roll back")
            return _reconcile_and_report(target, live, "already rolled back", seconds=None)
        try:
            change = switch_back(target, live, by=by, reason=reason)
        except RolloutError as error:
            if live is None or not target.reset_route():
                _require_none_under_way(target, live, found=error.found)
                raise
            return _reconcile_and_report(target, live, "taken back", seconds=None)
        seconds = time.monotonic() - began
        target.reset_route()
        return _reconcile_and_report(target, change, "rolled back", seconds=seconds)


def _require_none_under_way(target: ReleaseTarget, live: Change | None, *, found: str) -> None:
    """Raise RolloutError if a release may still move the traffic after this rollback moved none."""
    after = moment_of(live.time) if live is not None else datetime.min.replace(tzinfo=UTC)
    if (holder := target.release_under_way(after=after)) is not None:
        raise RolloutError(
            str(target),
            expected="no release under way, since it may move the traffic after this rollback",
            found=f"{found}; and a release under way: {holder}",
            next_step="stop that release, or wait for its end; then run the rollback again",
        )


def switch_back(target: ReleaseTarget, live: Change | None, *, by: str, reason: str) -> Change:
    """Move the traffic to the other slot, whose server is started again if it has died.

    Raise RolloutError if that slot does not hold the release before.
    """
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


def _reconcile_and_report(
    target: ReleaseTarget, change: Change, state: State, *, seconds: float | None
) -> Outcome:
    """Bring ledger and alias after the traffic, and return the outcome.

    Here the database and MLflow are imported. An error of the ledger is noted and not raised,
    since the traffic has moved; `titlebout verify` goes on naming the fault.
    """
    try:
        note = target.reconcile()
    except IntegrityError as error:
        note = f"the ledger was not written: {error}"
    _require_answer(target, change)
    return outcome_of(target, change, state, note=note, seconds=seconds)


def _require_answer(target: ReleaseTarget, change: Change) -> None:
    """Raise RolloutError if the release that has the traffic does not answer its clients."""
    try:
        target.slots.require_answer(change)
    except TitleboutError as error:
        raise RolloutError(
            str(target),
            expected=f"release {change.release[:12]}, to which the traffic goes now, to answer",
            found=f"it does not: {error.subject}: {error.found}",
            next_step=f"{error.next_step}; then run the rollback again, "
            "which moves nothing a second time",
        ) from error
