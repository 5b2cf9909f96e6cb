"""The end of a ledger's chain, noted in storage apart from the database: a chain that was cut short or rewritten is found by it."""

from typing import TYPE_CHECKING

from titlebout.ledger.chain import require_whole
from titlebout.spec import IntegrityError, Record
from titlebout.storage import Storage, layout

if TYPE_CHECKING:
    from titlebout.ledger.database import Ledger, StoredEntry


class Anchor(Record):
    sequence: int
    hash: str


def move_anchor(storage: Storage, ledger: "Ledger", model: str) -> None:
    """Note the chain's end. Raises IntegrityError if the chain does not hold, or does not go on from the end noted last.

    Neither must be papered over, so this comes before anything is written, too.
    """
    chain = ledger.chain(model)
    require_whole(model, chain)
    if storage.exists(*layout.anchor(model)) and (fault := anchor_fault(storage, model, chain)):
        raise IntegrityError(
            f"ledger of {model}",
            expected="the chain to go on from its noted end",
            found=fault,
            next_step="titlebout verify, and a backup",
        )
    if chain:
        storage.write_record(
            Anchor(sequence=chain[-1].sequence, hash=chain[-1].hash), *layout.anchor(model)
        )


def anchor_fault(storage: Storage, model: str, chain: "list[StoredEntry]") -> str | None:
    """What is wrong between the chain and its noted end; entries after that end are not wrong: the note comes after them."""
    if not storage.exists(*layout.anchor(model)):
        return "the note of the chain's end is missing from storage" if chain else None
    anchor = storage.read_record(Anchor, *layout.anchor(model))
    noted = next((stored for stored in chain if stored.sequence == anchor.sequence), None)
    if noted is None:
        return f"entry {len(chain) + 1} is missing: the chain ended with entry {anchor.sequence}"
    return (
        None
        if noted.hash == anchor.hash
        else f"entry {noted.sequence} is not the one that was noted as the chain's end: it was rewritten"
    )
