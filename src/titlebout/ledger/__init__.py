"""Record what was released, rolled back and settled: an append-only, hash-chained history per model."""

from titlebout.ledger.aliases import CHALLENGER, CHAMPION, move_alias
from titlebout.ledger.anchor import move_anchor
from titlebout.ledger.chain import MOVES, OVERRIDDEN, SETTLED, broken_link, require_whole
from titlebout.ledger.drafts import EntryDraft, draft_of_settling, drafts_of_change
from titlebout.ledger.history import entry_in_words, history, serving_at
from titlebout.ledger.record_faults import chain_faults, read_record_or_fault, record_faults
from titlebout.ledger.registrar_client import REGISTRAR_SECONDS, ask_registrar, cluster_faults

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "MOVES",
    "OVERRIDDEN",
    "REGISTRAR_SECONDS",
    "SETTLED",
    "EntryDraft",
    "ask_registrar",
    "broken_link",
    "chain_faults",
    "cluster_faults",
    "draft_of_settling",
    "drafts_of_change",
    "entry_in_words",
    "history",
    "move_alias",
    "move_anchor",
    "read_record_or_fault",
    "record_faults",
    "require_whole",
    "serving_at",
]
