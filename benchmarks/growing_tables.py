"""Simulate how often the gate would refuse because the table has grown.

Then rows that the Champion trained on are in the new holdout.

.venv/bin/python benchmarks/growing_tables.py
"""

import json

import numpy as np

from titlebout.data.split import HOLDOUT, SplitInput, split
from titlebout.spec import Split

TABLES, BY_ROW = 300, Split(by="row")


def main() -> None:
    """Print the shares as JSON."""
    for rows in (60, 120, 400, 2000):
        for rare in (0.5, 0.1):
            for grown in (0.02, 0.10):
                refused, moved = growth(rows, rare=rare, grown=grown)
                print(
                    json.dumps(
                        {
                            "rows": rows,
                            "rare class": rare,
                            "grown by": grown,
                            "comparisons refused": refused,
                            "rows moved": moved,
                        }
                    )
                )


def growth(rows: int, *, rare: float, grown: float) -> tuple[float, float]:
    """Return two shares, as a table grows.

    The first is that of tables of which a row left train or validation for the holdout. The second
    is that of rows that changed their part.
    """
    refused, moved = 0, 0.0
    for seed in range(TABLES):
        random, total = np.random.default_rng(seed), rows + max(1, round(rows * grown))
        classes = (random.random(total) < rare).astype(np.int64)
        classes[:6] = [0, 1, 0, 1, 0, 1]
        table = SplitInput(
            random.integers(0, 2**64, total, dtype=np.uint64),
            classes,
            ("common", "rare"),
            None,
            None,
        )
        before, after = (
            split(table.take(np.arange(total) < rows), BY_ROW, subject="t"),
            split(table, BY_ROW, subject="t")[:rows],
        )
        refused += bool(((before != HOLDOUT) & (after == HOLDOUT)).any())
        moved += float((before != after).mean())
    return round(refused / TABLES, 3), round(moved / TABLES, 4)


if __name__ == "__main__":
    main()
