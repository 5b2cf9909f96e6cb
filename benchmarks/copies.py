"""Simulate what copies of rows with both labels do to a split.

It compares parts by the whole row, as it was, with parts by the features.

.venv/bin/python benchmarks/copies.py
"""

import json

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from titlebout.data.hashes import row_hashes
from titlebout.data.split import HOLDOUT, TRAIN, SplitInput, split
from titlebout.spec import Split

TABLES = 30
MOST_COPIES = 18
PROFILES = 900
FRESH = 5_000
FEATURES = ["age", "fare", "members", "deck"]


def main() -> None:
    """Print the means over TABLES tables as JSON."""
    for name, columns in (
        ("whole row (broken on purpose)", [*FEATURES, "label"]),
        ("features", FEATURES),
    ):
        found = pd.DataFrame([measured(seed, columns) for seed in range(TABLES)])
        print(
            json.dumps(
                {
                    "parts by": name,
                    **{key: round(float(value), 3) for key, value in found.mean().items()},
                }
            )
        )


def measured(seed: int, columns: list[str]) -> dict[str, float]:
    """Return what one table's holdout and new people tell of two models."""
    random = np.random.default_rng(seed)
    table, fresh = people(random, PROFILES, copied=True), people(random, FRESH, copied=False)
    hashes = row_hashes(table[columns])
    parts = split(
        SplitInput(hashes, table["label"].to_numpy(), ("no", "yes"), None, None),
        Split(by="row"),
        subject="a table",
    )
    train, holdout = table[parts == TRAIN], table[parts == HOLDOUT]
    seen = (
        train.groupby(FEATURES)["label"]
        .agg(["min", "max"])
        .reindex(pd.MultiIndex.from_frame(holdout[FEATURES]))
    )
    label = holdout["label"].to_numpy()
    losses = {
        (model, where): log_loss(rows["label"], fitted.predict_proba(rows[FEATURES])[:, 1])
        for model, fitted in fits(train).items()
        for where, rows in (("holdout", holdout), ("new people", fresh))
    }
    return {
        "holdout rows with a twin in train": float(seen["min"].notna().mean()),
        "all twins with the other label": float(
            ((seen["min"] == seen["max"]) & (seen["min"] != label)).to_numpy().mean()
        ),
        **{f"{model}, {where}": loss for (model, where), loss in losses.items()},
        "the worse model looks better": float(
            (losses["linear", "holdout"] < losses["trees", "holdout"])
            != (losses["linear", "new people"] < losses["trees", "new people"])
        ),
    }


def people(random: np.random.Generator, profiles: int, *, copied: bool) -> pd.DataFrame:
    """Draw people whose features tell of the label, not linearly.

    Up to 18 people share all their features, and not their label.
    """
    table = pd.DataFrame(
        {
            "age": random.integers(1, 70, profiles).astype(float),
            "fare": random.gamma(2.0, 15.0, profiles).round(2),
            "members": random.integers(0, 4, profiles).astype(float),
            "deck": random.integers(1, 8, profiles).astype(float),
        }
    )
    if copied:
        counts = np.where(
            random.random(profiles) < 0.15, random.integers(2, MOST_COPIES + 1, profiles), 1
        )
        table = table.loc[np.repeat(table.index, counts)].reset_index(drop=True)
    score = (
        np.where(table["age"] < 15, 1.5, -0.5)
        + np.where(table["fare"] > 40, 1.2, -0.4)
        - 0.4 * np.abs(table["members"] - 1)
    )
    return table.assign(
        label=(random.random(len(table)) < 1 / (1 + np.exp(-score))).astype(np.int64)
    )


def fits(train: pd.DataFrame) -> dict[str, object]:
    """Fit both models."""
    scaled = LogisticRegression(max_iter=500)
    boosted = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, min_samples_leaf=20)
    return {
        "linear": scaled.fit(train[FEATURES], train["label"]),
        "trees": boosted.fit(train[FEATURES], train["label"]),
    }


if __name__ == "__main__":
    main()
