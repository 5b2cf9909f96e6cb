"""What the bake of one release is told: whom to watch, and what to compare with."""

from titlebout.release.bake import Bake
from titlebout.release.baseline import Baseline, baseline_of
from titlebout.release.place import Place
from titlebout.release.predeployment import refuses_todays_clients
from titlebout.release.shift import Shift
from titlebout.rollout import Change
from titlebout.spec import Disagreement, Verdict, other_than


def bake_of(place: Place, change: Change, *, servers: dict[str, str], storage: str | None) -> Bake:
    """Return the task: the new slot's servers by name, and the inference table under `storage`, if it is to be compared."""
    return Bake(
        url=place.slots.url,
        release=change.release,
        row=change.evidence["example"],
        seconds=place.serving.bake_seconds,
        p99_ms=place.spec.service.p99_ms,
        servers=servers,
        before=baseline_of(change) or Baseline(new=dict.fromkeys(servers)),
        new=place.address(change.slot),
        old=place.address(other_than(change.slot)) if change.from_release else None,
        shift=_shift(place, change, before=change.from_release, storage=storage) if storage and change.from_release else None,
        may_refuse=refuses_todays_clients(change.evidence.get("tests", ())),
    )


def _shift(place: Place, change: Change, *, before: str, storage: str) -> Shift:
    return Shift(
        model=place.model,
        before=before,
        storage=storage,
        old=place.address(other_than(change.slot)),
        new=place.address(change.slot),
        allowed=place.serving.prediction_shift,
        shown=_shown(place, change.release, before=before),
    )


def _shown(place: Place, release: str, *, before: str) -> Disagreement | None:
    """How far the two releases' models were apart in the gate; None where it compared others, or a person overrode it."""
    digest = place.release_record(release).verdict
    if digest is None or not place.storage.exists("verdicts", f"{digest}.json"):
        return None
    verdict = place.storage.read_record(Verdict, "verdicts", f"{digest}.json", digest=digest)
    return verdict.disagreement if verdict.opponent_digest == place.release_record(before).model_digest else None
