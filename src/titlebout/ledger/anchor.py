"""Note the end of a ledger's chain in storage, apart from the database.

A chain that was cut short or rewritten is found by this note, and a switch verifies from it on.
"""

from typing import TYPE_CHECKING

from titlebout.spec import Record
from titlebout.storage import Storage, layout

if TYPE_CHECKING:
    from titlebout.ledger.database import StoredEntry


class Anchor(Record):
    """Name the chain's last entry: every entry up to it held when this was noted."""

    sequence: int
    hash: str


def read_anchor(storage: Storage, model: str) -> Anchor | None:
    """Return the noted end of the model's chain, or None if nothing was noted."""
    path = layout.anchor(model)
    return storage.read_record(Anchor, *path) if storage.exists(*path) else None


def write_anchor(storage: Storage, model: str, anchor: Anchor) -> None:
    """Note the end of the model's chain, in place of the one noted before."""
    storage.write_record(anchor, *layout.anchor(model))


def anchor_fault(
    anchor: Anchor | None, chain: "list[StoredEntry]", *, after: int = 0
) -> str | None:
    """Return what is wrong between a chain whose links hold and its noted end, or None.

    `chain` is all that comes after entry `after`. Entries after the noted end are not wrong:
    the note comes after them.
    """
    if anchor is None:
        return "the note of the chain's end is missing from storage" if chain else None
    index = anchor.sequence - after - 1
    if not 0 <= index < len(chain):
        missing = after + len(chain) + 1
        return f"entry {missing} is missing: the chain ended with entry {anchor.sequence}"
    if chain[index].hash != anchor.hash:
        return (
            f"entry {anchor.sequence} is not the one that was noted as the chain's end: "
            "it was rewritten"
        )
    return None
