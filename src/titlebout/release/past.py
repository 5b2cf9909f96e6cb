"""What was released, rolled back, and served when: the ledger, read."""

from datetime import UTC, datetime
from pathlib import Path

from titlebout.release.chain import MOVES
from titlebout.spec import IntegrityError, LedgerEntry, SpecError, load_environment
from titlebout.storage import state_home

_WORDS = {
    "switched": "took the traffic",
    "settled": "settled",
    "rolled_back": "was rolled back to",
    "overridden": "released on a person's word",
}


def history(project: Path, model: str, environment: str, *, at: str | None = None) -> list[LedgerEntry]:
    """Every entry, oldest first; with `at`, only the one by which a release served then (none before the first)."""
    place = load_environment(project, environment)
    if place.kubernetes is not None:
        from titlebout.release.registrar import cluster_history

        return cluster_history(project, model, environment, place.kubernetes, at=_moment(at).isoformat() if at else None)
    from titlebout.release.ledger import open_ledger

    entries = [stored.entry for stored in open_ledger(state_home(project) / place.name).chain(model)]
    return entries if at is None else serving_at(entries, at)


def serving_at(entries: list[LedgerEntry], at: str) -> list[LedgerEntry]:
    """The entry by which a release served at that time; none before the first. Raises SpecError if it is no time."""
    moment = _moment(at)
    moved = [entry for entry in entries if entry.kind in MOVES and _time_of(entry) <= moment]
    return moved[-1:]


def entry_in_words(entry: LedgerEntry) -> str:
    instead = f", in place of {entry.from_release[:12]}" if entry.from_release else ""
    over = f" (over: {entry.evidence['overrides']})" if entry.evidence.get("overrides") else ""
    said = f"{entry.by}: {entry.reason}{over}"
    return f"{entry.sequence:>4}  {entry.time[:19]}Z  {entry.to_release[:12]} {_WORDS[entry.kind]}{instead}, by {said}"


def _time_of(entry: LedgerEntry) -> datetime:
    try:
        return datetime.fromisoformat(entry.time)
    except ValueError as error:
        raise IntegrityError(
            f"entry {entry.sequence} of the ledger of {entry.model}", expected="a time", found=entry.time, next_step="titlebout verify"
        ) from error


def _moment(text: str) -> datetime:
    """UTC unless the text says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SpecError("--at", expected="a time in ISO 8601, such as 2026-11-22T03:12", found=text, next_step="mend it") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
