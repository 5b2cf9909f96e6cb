"""What a release or a rollback came to, for a person and for a machine."""

from typing import TYPE_CHECKING, Any, Literal

from titlebout.spec import Record

if TYPE_CHECKING:
    from titlebout.release.release_target import ReleaseTarget
    from titlebout.rollout import Change

State = Literal["released", "already live", "rolled back", "already rolled back", "taken back"]


class Outcome(Record):
    """`switch_seconds`: from the command to the moment the traffic moved, None where it did not. `note`: what is still open."""

    model: str
    environment: str
    state: State
    release: str
    from_release: str | None
    endpoint: str
    switch_seconds: float | None = None
    tests: tuple[dict[str, Any], ...] = ()
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    def in_words(self) -> str:
        before = f", in place of {self.from_release[:12]}" if self.from_release else ""
        line = f"{self.model} in {self.environment}: release {self.release[:12]} {_WORDS[self.state]}{before}, at {self.endpoint}"
        return f"{line}\n{self.note}" if self.note else line


def outcome_of(
    target: "ReleaseTarget",
    change: "Change",
    state: State,
    *,
    note: str | None,
    seconds: float | None = None,
) -> Outcome:
    """What a change of the traffic came to; `seconds` until it moved."""
    return Outcome(
        model=target.model,
        environment=target.environment.name,
        state=state,
        release=change.release,
        from_release=change.from_release,
        endpoint=target.slots.url,
        switch_seconds=seconds,
        note=note,
    )


_WORDS: dict[State, str] = {
    "released": "takes the traffic",
    "already live": "takes the traffic already, nothing was done",
    "rolled back": "has the traffic again",
    "already rolled back": "has the traffic again already, nothing was done",
    "taken back": "has all of the traffic again: a strategy had given some to the other slot",
}
