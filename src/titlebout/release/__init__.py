"""The release transaction, its undo, the ledger of both, and batch scoring with what was released.

Nothing here imports MLflow, pandas or the database before it needs them: a rollback moves the traffic first.
"""

from titlebout.release.audit import verify
from titlebout.release.batch import default_output, score
from titlebout.release.outcome import Outcome
from titlebout.release.past import entry_in_words, history
from titlebout.release.running import running_faults
from titlebout.release.transaction import release
from titlebout.release.undo import rollback

__all__ = ["Outcome", "default_output", "entry_in_words", "history", "release", "rollback", "running_faults", "score", "verify"]
