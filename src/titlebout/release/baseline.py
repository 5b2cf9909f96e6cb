"""What a switch finds counted: all that comes later is the new release's doing, from its first request on."""

from typing import TYPE_CHECKING, Any

from titlebout.rollout import Change
from titlebout.rollout.slot_counts import NOTHING, Counted, told, total
from titlebout.spec import Record, SlotName, other_than

if TYPE_CHECKING:
    from titlebout.release.place import Place

EVIDENCE = "counted"  # what the change calls it: a bake that another run takes up needs it, too


class Baseline(Record):
    """By each of the new slot's servers, as `Growth` takes it, and by all of the old slot's in their life."""

    new: dict[str, Counted | None]
    old: Counted = NOTHING


def with_baseline(place: "Place", slot: SlotName, evidence: dict[str, Any]) -> dict[str, Any]:
    """The evidence of a switch to the slot, taken right before it."""
    baseline = Baseline(new=place.counts(slot), old=total(told(place.counts(other_than(slot))).values()))
    return {**evidence, EVIDENCE: baseline.model_dump(mode="json")}


def baseline_of(change: Change) -> Baseline | None:
    """None if whoever switched took none."""
    found = change.evidence.get(EVIDENCE)
    return None if found is None else Baseline.model_validate(found, strict=False)
