"""Report the outcome of a release or a rollback, for people and for machines."""

from typing import TYPE_CHECKING, Any, Literal

from titlebout.spec import Record

if TYPE_CHECKING:
    from titlebout.release.release_target import ReleaseTarget
    from titlebout.rollout import Change

State = Literal["released", "already live", "rolled back", "already rolled back", "taken back"]


class Outcome(Record):
    """Report what has the traffic after a command.

    `switch_seconds` is the time from the command to the move of the traffic, None if it did not
    move. `note` says what is still to be done.
    """

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
        """Return the fields as JSON values."""
        return self.model_dump(mode="json")

    def in_words(self) -> str:
        """Return one line for people, and the note on a second one."""
        before = f", in place of {self.from_release[:12]}" if self.from_release else ""
        line = (
            f"{self.model} in {self.environment}: release {self.release[:12]} "
            f"{_WORDS[self.state]}{before}, at {self.endpoint}"
        )
        return f"{line}\n{self.note}" if self.note else line


def outcome_of(
    target: "ReleaseTarget",
    change: "Change",
    state: State,
    *,
    note: str | None,
    seconds: float | None = None,
) -> Outcome:
    """Return the outcome of a change of the traffic; `seconds` is how long it took to move."""
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
