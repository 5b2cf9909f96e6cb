"""What a release transaction needs of a model's two slots, whatever they run on."""

from typing import Any, Literal, Protocol

from titlebout.rollout.traffic import Change
from titlebout.spec import SlotName


class Deployed(Protocol):
    @property
    def release(self) -> str: ...


class Slots(Protocol):
    """Two slots behind one live address; EmbeddedSlots and KubernetesSlots say how."""

    @property
    def url(self) -> str:
        """The live address; it never changes."""
        ...

    def slot_url(self, slot: SlotName) -> str: ...

    def live(self) -> Change | None:
        """The change in force; None before the first."""
        ...

    def other(self) -> SlotName:
        """The slot that is not live: idle, under test, or the one to roll back to."""
        ...

    def deployed(self, slot: SlotName) -> Deployed | None: ...

    def undeploy(self, slot: SlotName) -> None:
        """From now on traffic may not go to the slot; raises NotAllowed for the live one."""
        ...

    def start(self, slot: SlotName) -> None:
        """See to it that what is deployed in the slot answers; raises RolloutError."""
        ...

    def require_answer(self, change: Change) -> None:
        """See to it that the change's release answers; raises a TitleboutError if it does not."""
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
        """Send all traffic to the slot. `after` is the number of the change that the caller saw in force: another one is refused."""
        ...
