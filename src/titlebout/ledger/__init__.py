"""Record what was released, rolled back and settled: one hash-chained history for each model.

Nothing here imports SQLAlchemy; `titlebout.ledger.database` does. A rollback moves the traffic
before it opens the database.
"""

from titlebout.ledger.aliases import CHALLENGER, CHAMPION, move_alias
from titlebout.ledger.chain import MOVES, OVERRIDDEN, SETTLED, broken_link
from titlebout.ledger.drafts import EntryDraft, draft_of_settling, drafts_of_change
from titlebout.ledger.history import entry_in_words, history, serving_at
from titlebout.ledger.record_faults import chain_faults, read_record_or_fault, record_faults
from titlebout.ledger.registrar_client import REGISTRAR_SECONDS, ask_registrar, cluster_faults
from titlebout.ledger.tail import Tail, read_tail

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "MOVES",
    "OVERRIDDEN",
    "REGISTRAR_SECONDS",
    "SETTLED",
    "EntryDraft",
    "Tail",
    "ask_registrar",
    "broken_link",
    "chain_faults",
    "cluster_faults",
    "draft_of_settling",
    "drafts_of_change",
    "entry_in_words",
    "history",
    "move_alias",
    "read_record_or_fault",
    "read_tail",
    "record_faults",
    "serving_at",
]
