"""Verify a namespace's ledger: recompute every chain from its first entry, and compare it.

A chain is compared with its anchor, the records that it names, and what is live now.
"""

from collections.abc import Iterator

from titlebout.ledger import SETTLED, broken_link, chain_faults, record_faults
from titlebout.ledger.database import StoredEntry
from titlebout.registrar.registrar import Registrar
from titlebout.registrar.sighting import Sighting
from titlebout.registrar.write_entries import (
    draft_of_settlement,
    drafts_of_statement,
    entry_about,
    last_move,
)
from titlebout.rollout.kubernetes import LEFT_OUT
from titlebout.storage import layout


def verify(registrar: Registrar) -> list[str]:
    """Return what is wrong, one sentence each; empty if every record holds.

    Raise an error of AWAY if database or storage is away.
    """
    anchored = {name.removesuffix(".json") for name in registrar.storage.names(layout.LEDGER)}
    models = {*registrar.ledger.models(), *anchored, *registrar.seen}
    return [f"{model}: {fault}" for model in sorted(models) for fault in _faults(registrar, model)]


def _faults(registrar: Registrar, model: str) -> Iterator[str]:
    chain = registrar.ledger.chain(model)
    yield from chain_faults(model, chain, registrar.storage)
    yield from _live_faults(registrar, model, chain)
    live = registrar.seen.get(model)
    if live is not None and broken_link(chain) is None:
        yield from _statement_faults(live, chain)
    yield from record_faults(chain, registrar.storage)


def _statement_faults(live: Sighting, chain: list[StoredEntry]) -> Iterator[str]:
    """Compare the entries with what releases and rollbacks stated on the live Service."""
    for statement in (*live.earlier.statements, *([live.statement] if live.statement else [])):
        about = entry_about(chain, statement.id)
        if (
            about
            and statement.evidence != LEFT_OUT
            and not drafts_of_statement(statement, key=about.key, override=None)[-1].is_in(about)
        ):
            yield f"entry {about.sequence} differs from the change that the live Service states"
    about = entry_about(chain, live.statement.id) if live.statement else None
    entry = next(
        (stored for stored in chain if about and stored.key == f"{about.key}{SETTLED}"), None
    )
    if about is None or entry is None:
        return
    settlement = (
        live.settlement
        if live.settlement and live.statement and live.settlement.id == live.statement.id
        else None
    )
    if settlement is None or not draft_of_settlement(settlement, about).is_in(entry):
        yield f"entry {entry.sequence} settles a change that is not settled on the live Service"


def _live_faults(registrar: Registrar, model: str, chain: list[StoredEntry]) -> Iterator[str]:
    """Compare the ledger's last move with what is live."""
    live, end = registrar.seen.get(model), last_move(chain)
    if live is None and end is not None:
        yield f"the ledger says that {end.to_release[:12]} is live, and there is no live Service"
    if live and (end is None or end.to_release != live.release):
        release = end.to_release[:12] if end else "nothing"
        yield f"live is {live.release[:12]}, and the ledger says {release}"
