"""Release a model, roll it back, and verify what both have recorded.

Nothing here imports MLflow, pandas or the database before it needs them: a rollback moves the
traffic first.
"""

from titlebout.release.adapters import ADAPTERS
from titlebout.release.outcome import Outcome
from titlebout.release.release_target import Adapters
from titlebout.release.rollback import rollback
from titlebout.release.running_faults import running_faults
from titlebout.release.transaction import release
from titlebout.release.verify import verify

__all__ = [
    "ADAPTERS",
    "Adapters",
    "Outcome",
    "release",
    "rollback",
    "running_faults",
    "verify",
]
