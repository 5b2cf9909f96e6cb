"""Describe what a release transaction needs of a model's two slots, whatever they run on."""

from typing import Any, Literal, Protocol

from titlebout.rollout.traffic import Change
from titlebout.spec import SlotName


class Deployed(Protocol):
    """Describe what is deployed in a slot."""

    @property
    def release(self) -> str:
        """Return the release's id."""


class Slots(Protocol):
    """Describe two slots behind one live address.

    EmbeddedSlots and KubernetesSlots implement it.
    """

    @property
    def url(self) -> str:
        """Return the live address; it never changes."""
        ...

    def slot_url(self, slot: SlotName) -> str:
        """Return the slot's own address."""

    def live(self) -> Change | None:
        """Return the change in force; None before the first."""
        ...

    def other(self) -> SlotName:
        """Return the slot that is not live: idle, under test, or the one to roll back to."""
        ...

    def deployed(self, slot: SlotName) -> Deployed | None:
        """Return what is deployed in the slot; None if nothing is."""

    def undeploy(self, slot: SlotName) -> None:
        """Forbid traffic to the slot.

        Raise NotAllowed for the live one.
        """
        ...

    def start(self, slot: SlotName) -> None:
        """Make sure that what is deployed in the slot answers.

        Raise RolloutError if it does not.
        """
        ...

    def require_answer(self, change: Change) -> None:
        """Make sure that the change's release answers.

        Raise a TitleboutError if it does not.
        """
        ...

    def allow(self, slot: SlotName) -> None:
        """Put a slot that passed its tests on the list of those that traffic may go to."""
        ...

    def switch(
        self,
        slot: SlotName,
        *,
        kind: Literal["switched", "rolled_back"],
        by: str,
        reason: str,
        evidence: dict[str, Any],
        after: int | None,
    ) -> Change:
        """Send all traffic to the slot.

        `after` is the number of the change that the caller saw in force. Raise NotAllowed if
        another one is.
        """
        ...
