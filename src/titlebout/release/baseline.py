"""What a switch finds counted: all that comes later is the new release's doing, from its first request on."""

from collections.abc import Mapping

from titlebout.rollout import NOTHING_COUNTED, Change, Counted, answered, total
from titlebout.spec import Record

EVIDENCE = "counted"  # what the change calls it: a bake that another run takes up needs it, too


class Baseline(Record):
    """By each of the new slot's servers, as `Growth` takes it, and by all of the old slot's in their life."""

    new: dict[str, Counted | None]
    old: Counted = NOTHING_COUNTED


def baseline_from(
    *, new: Mapping[str, Counted | None], old: Mapping[str, Counted | None]
) -> Baseline:
    """Return the baseline from what each server of both slots has counted; None for one that did not answer."""
    return Baseline(new=dict(new), old=total(answered(old).values()))


def baseline_of(change: Change) -> Baseline | None:
    """None if whoever switched took none."""
    found = change.evidence.get(EVIDENCE)
    return None if found is None else Baseline.model_validate(found, strict=False)
