"""Store records and data in a folder or an object store, and keep this machine's own state."""

from titlebout.storage.store import (
    S3,
    Storage,
    ensure_bucket,
    is_folder,
    make_state_home,
    open_storage,
    state_home,
)

__all__ = [
    "S3",
    "Storage",
    "ensure_bucket",
    "is_folder",
    "make_state_home",
    "open_storage",
    "state_home",
]
