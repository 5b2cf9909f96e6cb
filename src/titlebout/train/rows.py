"""Rows to fit on: model columns, labels, and the blocks (days, groups, copies) that must not be torn apart."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

# Cross-validation and tuning see at most so many rows: settings rank the same on 20,000 rows as on a million, and a trial stays below a
# second or two on two cores. The final fit sees every training row.
SAMPLE_MAX_ROWS = 20_000


class Rows(NamedTuple):
    """X holds model columns; y codes 0..k-1 or numbers; blocks say which rows hang together: moments in time, groups, copies, or None."""

    X: "pd.DataFrame"
    y: NDArray[np.float64] | NDArray[np.int64]
    blocks: NDArray[np.int64] | None

    def take(self, positions: NDArray[np.int64]) -> "Rows":
        blocks = None if self.blocks is None else self.blocks[positions]
        return Rows(self.X.iloc[positions].reset_index(drop=True), self.y[positions], blocks)

    def sample(self, maximum: int, *, seed: int) -> "Rows":
        """At most `maximum` rows, drawn without replacement, in their old order."""
        if len(self.y) <= maximum:
            return self
        return self.take(
            np.sort(np.random.default_rng(seed).choice(len(self.y), size=maximum, replace=False))
        )
