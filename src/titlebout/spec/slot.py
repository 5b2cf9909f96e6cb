"""The two slots of a model: one is live, the other idle, under test, or the one to roll back to."""

from typing import Literal

SlotName = Literal["blue", "green"]
SLOT_NAMES: tuple[SlotName, SlotName] = ("blue", "green")


def other_than(slot: SlotName) -> SlotName:
    return "green" if slot == "blue" else "blue"
