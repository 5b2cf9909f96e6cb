"""What was released, rolled back, and served when: the ledger, read."""

from datetime import datetime
from pathlib import Path

from titlebout.ledger.chain import MOVES
from titlebout.spec import (
    CLOCK,
    LedgerEntry,
    SpecError,
    load_environment,
    moment_of,
    one_line,
    require_model_name,
)
from titlebout.storage import state_home

_WORDS = {
    "switched": "took the traffic",
    "settled": "settled",
    "rolled_back": "was rolled back to",
    "overridden": "released on a person's word",
}


def history(
    project: Path, model: str, environment: str, *, at: str | None = None
) -> list[LedgerEntry]:
    """Every entry, oldest first; with `at`, only the one by which a release served then (none before the first)."""
    require_model_name(model)
    place = load_environment(project, environment)
    if place.kubernetes is not None:
        from titlebout.ledger.registrar_client import cluster_history

        return cluster_history(
            project,
            model,
            environment,
            place.kubernetes,
            at=_moment(at).isoformat() if at else None,
        )
    from titlebout.ledger.database import open_ledger

    entries = [
        stored.entry for stored in open_ledger(state_home(project) / place.name).chain(model)
    ]
    return entries if at is None else serving_at(entries, at)


def serving_at(entries: list[LedgerEntry], at: str) -> list[LedgerEntry]:
    """The entry by which a release served at that time; none before the first. Raises SpecError if it is no time."""
    moment = _moment(at)
    moved = [entry for entry in entries if entry.kind in MOVES and entry.moment <= moment]
    return moved[-1:]


def entry_in_words(entry: LedgerEntry) -> str:
    instead = f", in place of {entry.from_release[:12]}" if entry.from_release else ""
    over = (
        f" (over: {one_line(str(entry.evidence['overrides']))})"
        if entry.evidence.get("overrides")
        else ""
    )
    said = f"{one_line(entry.by)}: {one_line(entry.reason)}{over}{_clock(entry)}"
    return f"{entry.sequence:>4}  {entry.time[:19]}Z  {entry.to_release[:12]} {_WORDS[entry.kind]}{instead}, by {said}"


def _clock(entry: LedgerEntry) -> str:
    step = entry.evidence.get(CLOCK)
    return f" (the clock said {step['said']}: it had been set back)" if step else ""


def _moment(text: str) -> datetime:
    """UTC unless the text says otherwise."""
    try:
        return moment_of(text)
    except ValueError as error:
        raise SpecError(
            "--at",
            expected="a time in ISO 8601, such as 2026-11-22T03:12",
            found=text,
            next_step="mend it",
        ) from error
