"""Can this namespace's ledger be believed: chains, their noted ends, the records they name, and what is live now."""

from collections.abc import Iterator

from titlebout.registrar.registrar import Registrar
from titlebout.registrar.writing import last_move
from titlebout.release.audit import chain_faults, record_faults
from titlebout.release.ledger import StoredEntry


def verify(registrar: Registrar) -> list[str]:
    """What is wrong, one sentence each; empty if every record holds. Raises an error of AWAY if database or storage is."""
    noted = {name.removesuffix(".json") for name in registrar.storage.names("ledger")}
    models = {*registrar.ledger.models(), *noted, *registrar.seen}
    return [f"{model}: {fault}" for model in sorted(models) for fault in _faults(registrar, model)]


def _faults(registrar: Registrar, model: str) -> Iterator[str]:
    chain = registrar.ledger.chain(model)
    yield from chain_faults(model, chain, registrar.storage)
    yield from _live_faults(registrar, model, chain)
    yield from record_faults(chain, registrar.storage)


def _live_faults(registrar: Registrar, model: str, chain: list[StoredEntry]) -> Iterator[str]:
    live, end = registrar.seen.get(model), last_move(chain)
    if live is None and end is not None:
        yield f"the ledger says that {end.to_release[:12]} is live, and there is no live Service"
    if live and (end is None or end.to_release != live.release):
        yield f"live is {live.release[:12]}, and the ledger says {end.to_release[:12] if end else 'nothing'}"
