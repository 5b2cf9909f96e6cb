"""The end of a ledger's chain, noted in storage apart from the database: a chain that was cut short or rewritten is found by it."""

from titlebout.release.chain import require_whole
from titlebout.release.ledger import Ledger, StoredEntry
from titlebout.spec import IntegrityError, Record
from titlebout.storage import Storage


class Head(Record):
    sequence: int
    hash: str


def move_head(storage: Storage, ledger: Ledger, model: str) -> None:
    """Note the chain's end. Raises IntegrityError if the chain does not hold, or does not go on from the end noted last.

    Neither must be papered over, so this comes before anything is written, too.
    """
    chain = ledger.chain(model)
    require_whole(model, chain)
    if storage.exists(*_place(model)) and (fault := head_fault(storage, model, chain)):
        raise IntegrityError(
            f"ledger of {model}", expected="the chain to go on from its noted end", found=fault, next_step="titlebout verify, and a backup"
        )
    if chain:
        storage.write_record(Head(sequence=chain[-1].sequence, hash=chain[-1].hash), *_place(model))


def head_fault(storage: Storage, model: str, chain: list[StoredEntry]) -> str | None:
    """What is wrong between the chain and its noted end; entries after that end are not wrong: the note comes after them."""
    if not storage.exists(*_place(model)):
        return "the note of the chain's end is missing from storage" if chain else None
    head = storage.read_record(Head, *_place(model))
    noted = next((stored for stored in chain if stored.sequence == head.sequence), None)
    if noted is None:
        return f"entry {len(chain) + 1} is missing: the chain ended with entry {head.sequence}"
    return None if noted.hash == head.hash else f"entry {noted.sequence} is not the one that was noted as the chain's end: it was rewritten"


def _place(model: str) -> tuple[str, str]:
    return "ledger", f"{model}.json"
