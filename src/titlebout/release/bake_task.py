"""Make the task of one release's bake: which servers to watch, and what to compare them with."""

from titlebout.release.bake import Bake
from titlebout.release.baseline import Baseline, baseline_of
from titlebout.release.predeployment import refuses_todays_clients
from titlebout.release.prediction_shift import Shift
from titlebout.release.release_target import ReleaseTarget
from titlebout.rollout import Change
from titlebout.spec import Disagreement, Verdict, other_than
from titlebout.storage import layout


def bake_of(
    target: ReleaseTarget, change: Change, *, servers: dict[str, str], storage: str | None
) -> Bake:
    """Return the task of a change's bake.

    `servers` are the new slot's, by name. `storage` is where the inference table is, or None if
    predictions are not compared.
    """
    return Bake(
        url=target.slots.url,
        release=change.release,
        row=change.evidence["example"],
        seconds=target.serving.bake_seconds,
        p99_ms=target.spec.service.p99_ms,
        servers=servers,
        before=baseline_of(change) or Baseline(new=dict.fromkeys(servers)),
        new=target.address(change.slot),
        old=target.address(other_than(change.slot)) if change.from_release else None,
        shift=(
            _shift(target, change, before=change.from_release, storage=storage)
            if storage and change.from_release
            else None
        ),
        may_refuse=refuses_todays_clients(change.evidence.get("tests", ())),
    )


def _shift(target: ReleaseTarget, change: Change, *, before: str, storage: str) -> Shift:
    return Shift(
        model=target.model,
        before=before,
        storage=storage,
        old=target.address(other_than(change.slot)),
        new=target.address(change.slot),
        allowed=target.serving.prediction_shift,
        shown=_shown(target, change.release, before=before),
    )


def _shown(target: ReleaseTarget, release: str, *, before: str) -> Disagreement | None:
    """Return how far the two releases' models were apart in the gate.

    Return None if the gate compared others, or if a person overrode it.
    """
    digest = target.release_record(release).verdict
    if digest is None or not target.storage.exists(*layout.verdict(digest)):
        return None
    verdict = target.storage.read_record(Verdict, *layout.verdict(digest), digest=digest)
    return (
        verdict.disagreement
        if verdict.opponent_digest == target.release_record(before).model_digest
        else None
    )
