"""Store records and data in a folder or an object store, and keep this machine's own state."""

from titlebout.storage.store import (
    PARTIAL,
    S3,
    Storage,
    ensure_bucket,
    is_folder,
    make_state_home,
    open_storage,
    partial_of,
    state_home,
    sweep_partials,
)

__all__ = [
    "PARTIAL",
    "S3",
    "Storage",
    "ensure_bucket",
    "is_folder",
    "make_state_home",
    "open_storage",
    "partial_of",
    "state_home",
    "sweep_partials",
]
