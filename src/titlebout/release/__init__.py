"""The release transaction, its undo, the ledger of both, and batch scoring with what was released."""

from titlebout.release.outcome import Outcome
from titlebout.release.transaction import release
from titlebout.release.undo import rollback

__all__ = ["Outcome", "release", "rollback"]
