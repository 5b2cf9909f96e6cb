"""The two slots of a model: one is live, the other idle, under test, or the one to roll back to."""

from typing import Literal

from titlebout.spec.record import Record

SlotName = Literal["blue", "green"]
SLOT_NAMES: tuple[SlotName, SlotName] = ("blue", "green")


class SlotAddress(Record):
    """Where a slot answers, and the secret that proves to it that the platform asks (docs/serving.md)."""

    url: str
    secret: str = ""


def other_than(slot: SlotName) -> SlotName:
    return "green" if slot == "blue" else "blue"
