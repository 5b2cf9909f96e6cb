"""What was released, rolled back, and served when: the ledger, read."""

from datetime import UTC, datetime
from pathlib import Path

from titlebout.spec import LedgerEntry, SpecError, load_environment
from titlebout.storage import state_home

_WORDS = {
    "switched": "took the traffic",
    "settled": "settled",
    "rolled_back": "was rolled back to",
    "overridden": "released against the verdict",
}


def history(project: Path, model: str, environment: str, *, at: str | None = None) -> list[LedgerEntry]:
    """Every entry, oldest first; with `at`, only the one by which a release served then (none before the first)."""
    from titlebout.release.ledger import open_ledger

    place = load_environment(project, environment)
    entries = [stored.entry for stored in open_ledger(state_home(project) / place.name).chain(model)]
    if at is None:
        return entries
    moment = _moment(at)
    moved = [entry for entry in entries if entry.kind in ("switched", "rolled_back") and datetime.fromisoformat(entry.time) <= moment]
    return moved[-1:]


def entry_in_words(entry: LedgerEntry) -> str:
    instead = f", in place of {entry.from_release[:12]}" if entry.from_release else ""
    return f"{entry.sequence:>4}  {entry.time[:19]}Z  {entry.to_release[:12]} {_WORDS[entry.kind]}{instead}, by {entry.by}: {entry.reason}"


def _moment(text: str) -> datetime:
    """UTC unless the text says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SpecError("--at", expected="a time in ISO 8601, such as 2026-11-22T03:12", found=text, next_step="mend it") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
