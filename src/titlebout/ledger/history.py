"""Tell what was released and rolled back, and what served at a time, from the ledger."""

from datetime import datetime
from pathlib import Path

from titlebout.ledger.chain import MOVES
from titlebout.rollout import require_known_model
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
    "overridden": "released with an override",
}


def history(
    project: Path, model: str, environment: str, *, at: str | None = None
) -> list[LedgerEntry]:
    """Return every entry, oldest first; with `at`, only the one by which a release served then.

    Before the first release, that is none. Raises SpecError for an unknown environment or model.
    """
    require_model_name(model)
    declared = load_environment(project, environment)
    if declared.kubernetes is not None:
        from titlebout.ledger.registrar_client import cluster_history

        return cluster_history(
            project,
            model,
            environment,
            declared.kubernetes,
            at=_moment(at).isoformat() if at else None,
        )
    from titlebout.ledger.database import open_ledger

    ledger = open_ledger(state_home(project) / declared.name)
    entries = [stored.entry for stored in ledger.chain(model)]
    if not entries:
        require_known_model(project, model, environment)
    return entries if at is None else serving_at(entries, at)


def serving_at(entries: list[LedgerEntry], at: str) -> list[LedgerEntry]:
    """Return the entry by which a release served at that time; none before the first.

    Raises SpecError if `at` is no time.
    """
    moment = _moment(at)
    moved = [entry for entry in entries if entry.kind in MOVES and entry.moment <= moment]
    return moved[-1:]


def entry_in_words(entry: LedgerEntry) -> str:
    """Return the entry as one line for people."""
    instead = f", in place of {entry.from_release[:12]}" if entry.from_release else ""
    overridden = (
        f" (over: {one_line(str(entry.evidence['overrides']))})"
        if entry.evidence.get("overrides")
        else ""
    )
    reason = f"{one_line(entry.by)}: {one_line(entry.reason)}{overridden}{_clock(entry)}"
    what = f"{entry.to_release[:12]} {_WORDS[entry.kind]}{instead}"
    return f"{entry.sequence:>4}  {entry.time[:19]}Z  {what}, by {reason}"


def _clock(entry: LedgerEntry) -> str:
    step = entry.evidence.get(CLOCK)
    return f" (the clock said {step['said']}: it had been set back)" if step else ""


def _moment(text: str) -> datetime:
    """Read a time, UTC unless the text says otherwise; raise SpecError if it is none."""
    try:
        return moment_of(text)
    except ValueError as error:
        raise SpecError(
            "--at",
            expected="a time in ISO 8601, such as 2026-11-22T03:12",
            found=text,
            next_step="fix it",
        ) from error
