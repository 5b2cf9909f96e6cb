"""Note what the slots have counted before a switch: all that comes later is the new release's."""

from collections.abc import Mapping

from titlebout.rollout import NOTHING_COUNTED, Change, Counted, answered, total
from titlebout.spec import Record

# Its name in the change's evidence, where a bake that another run continues finds it.
EVIDENCE = "counted"


class Baseline(Record):
    """Hold the counts of each of the new slot's servers, and the total of the old slot's."""

    new: dict[str, Counted | None]
    old: Counted = NOTHING_COUNTED


def baseline_from(
    *, new: Mapping[str, Counted | None], old: Mapping[str, Counted | None]
) -> Baseline:
    """Return the baseline from what each server has counted; None for one that did not answer."""
    return Baseline(new=dict(new), old=total(answered(old).values()))


def baseline_of(change: Change) -> Baseline | None:
    """Return the baseline that the change keeps, or None if the switch noted none."""
    found = change.evidence.get(EVIDENCE)
    return None if found is None else Baseline.model_validate(found, strict=False)
