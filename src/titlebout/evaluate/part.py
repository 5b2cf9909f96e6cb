"""One part of the dataset as evaluation reads it."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.data import load_part
from titlebout.spec import PART_NAMES, Dataset
from titlebout.storage import Storage

if TYPE_CHECKING:
    import pandas as pd

# On training rows scores and leaks only show what went wrong, without intervals; so many rows show it.
TRAIN_MAX_ROWS = 30_000


class Part(NamedTuple):
    """`X` model columns, `frame` the same rows as clients send them, `y` codes or numbers; `blocks` days in order and `groups` as
    data.Frame has them."""

    X: "pd.DataFrame"
    y: NDArray[Any]
    blocks: NDArray[np.int64] | None
    frame: "pd.DataFrame"
    groups: NDArray[np.int64] | None = None

    def sample(self, maximum: int, *, seed: int) -> "Part":
        """At most so many rows, drawn without replacement."""
        if len(self.y) <= maximum:
            return self
        picked = np.sort(
            np.random.default_rng(seed).choice(len(self.y), size=maximum, replace=False)
        )
        blocks, groups = (
            None if codes is None else codes[picked] for codes in (self.blocks, self.groups)
        )
        return Part(self.X.iloc[picked], self.y[picked], blocks, self.frame.iloc[picked], groups)


def read_parts(storage: Storage, dataset: Dataset, *, seed: int) -> dict[str, Part]:
    """All three; validation and holdout whole."""
    parts: dict[str, Part] = {}
    for name in PART_NAMES:
        rows = load_part(storage, dataset, name)
        parts[name] = Part(rows.X, rows.y, rows.days, rows.frame, rows.groups)
    parts["train"] = parts["train"].sample(TRAIN_MAX_ROWS, seed=seed)
    return parts
