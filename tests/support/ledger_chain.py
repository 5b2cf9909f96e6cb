"""Make chains of any length in a real ledger, and alter them as somebody could."""

from pathlib import Path

from sqlalchemy import text

from titlebout.ledger.database import Ledger, StoredEntry, open_ledger
from titlebout.spec import FIRST_PREVIOUS_HASH

MODEL = "tiny"


def ledger_of(folder: Path, entries: int) -> Ledger:
    """Return a ledger of so many switches, each from the release of the one before."""
    ledger = open_ledger(folder)
    for number in range(1, entries + 1):
        append_switch(ledger, number)
    return ledger


def append_switch(ledger: Ledger, number: int) -> None:
    """Append the switch to release `r<number>`, which is about the change `c<number>`."""
    ledger.append(
        MODEL,
        key=f"k{number}",
        time="2026-01-01T00:00:00+00:00",
        kind="switched",
        from_release=f"r{number - 1}" if number > 1 else None,
        to_release=f"r{number}",
        by="ci",
        reason="it won",
        evidence={"slot": "blue", "change": f"c{number}"},
    )


def run_sql(ledger: Ledger, *statements: str) -> None:
    """Do to the database what somebody with its password can do."""
    with ledger.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def rehash(ledger: Ledger, model: str, *, since: int) -> None:
    """Give every entry from `since` on the hashes that fit, as somebody with the code can."""
    chain: list[StoredEntry] = ledger.chain(model)
    previous = chain[since - 2].hash if since > 1 else FIRST_PREVIOUS_HASH
    update = text(
        "UPDATE ledger SET previous_hash = :previous, hash = :hash WHERE sequence = :sequence"
    )
    with ledger.engine.begin() as connection:
        for stored in chain[since - 1 :]:
            entry = stored.entry.model_copy(update={"previous_hash": previous})
            fitting = {"previous": previous, "hash": entry.digest, "sequence": stored.sequence}
            connection.execute(update, fitting)
            previous = entry.digest
