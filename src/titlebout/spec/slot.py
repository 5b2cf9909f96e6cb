"""Name the two slots of a model.

One is live. The other is idle, under test, or the one to roll back to.
"""

from typing import Literal

from titlebout.spec.record import Record

SlotName = Literal["blue", "green"]
SLOT_NAMES: tuple[SlotName, SlotName] = ("blue", "green")


class SlotAddress(Record):
    """Hold a slot's URL and the secret by which its server knows the platform (docs/serving.md)."""

    url: str
    secret: str = ""


def other_than(slot: SlotName) -> SlotName:
    """Return the other slot."""
    return "green" if slot == "blue" else "blue"
