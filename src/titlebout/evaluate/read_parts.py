"""Read the three parts of a dataset for evaluation."""

from titlebout.data import PartRows, load_part
from titlebout.spec import PART_NAMES, Dataset
from titlebout.storage import Storage

# On training rows, scores and leaks only show what went wrong. So many rows show it.
TRAIN_MAX_ROWS = 30_000


def read_parts(storage: Storage, dataset: Dataset, *, seed: int) -> dict[str, PartRows]:
    """Return the whole validation and holdout parts, and a sample of the training rows."""
    parts = {str(name): load_part(storage, dataset, name) for name in PART_NAMES}
    return parts | {"train": parts["train"].sample(TRAIN_MAX_ROWS, seed=seed)}
