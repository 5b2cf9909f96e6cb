"""Make a reference and its window from plain tables, without registry, server or fitting."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from titlebout.data import PartRows
from titlebout.monitor.reference import Reference
from titlebout.serve.inference_rows import feature_column
from titlebout.spec import Column, Contract, Dataset, Engine, Input


@dataclass
class Champion:
    """Hold what a report names of the registered version."""

    digest: str = "d" * 64
    run_id: str = "run1"


def reference(
    train: dict[str, tuple[Any, Any]],
    *,
    days: np.ndarray | None = None,
    y: np.ndarray | None = None,
    scores: np.ndarray | None = None,
    holdout_days: np.ndarray | None = None,
) -> Reference:
    """Make a binary Champion's reference.

    `train` has type and values of each column, `days` the day of each row (None: independent rows).
    `y` and `scores` are the holdout's, by default an honest model's on 500 rows. The same rows are
    all that it had not seen.
    """
    random = np.random.default_rng(0)
    if scores is None:
        scores = random.uniform(0.05, 0.95, size=500)
        holdout_days = None if days is None else np.arange(500) * 40 // 500
    y = (random.random(len(scores)) < scores).astype(int) if y is None else y
    columns = {name: Column(type=kind) for name, (kind, _) in train.items()}
    dataset = Dataset(
        model="m",
        source="s",
        fraction=1.0,
        columns=columns,
        target="the target",
        time_column=None if days is None else "the time",
        classes=("no", "yes"),
        rows=len(y),
        parts={},
    )
    frame = pd.DataFrame({name: values for name, (_, values) in train.items()})
    known, unseen = (
        _part(frame, columns, y=np.zeros(len(frame), dtype=int), days=days),
        _part(pd.DataFrame(), {}, y=y, days=holdout_days),
    )
    contract = Contract(
        model="m",
        task="binary",
        target="the target",
        inputs=tuple(Input(name=name, type=kind) for name, (kind, _) in train.items()),
        classes=("no", "yes"),
        positive="yes",
        threshold=0.5,
        engine=Engine(name="sklearn", reason="a test"),
    )
    champion: Any = Champion()
    return Reference(champion, contract, dataset, known, unseen, unseen, scores)


def _part(
    frame: pd.DataFrame, columns: dict[str, Column], *, y: np.ndarray, days: np.ndarray | None
) -> PartRows:
    """Make a part; `days` are counted, and coded in their order, as `PartRows.of` does."""
    codes = None if days is None else np.unique(days, return_inverse=True)[1]
    hashes = np.arange(len(y), dtype=np.uint64)
    return PartRows(frame=frame, columns=columns, y=y, hashes=hashes, days=codes)


def window(
    columns: dict[str, Any], *, days: np.ndarray | None = None, scores: np.ndarray | None = None
) -> pd.DataFrame:
    """Make the rows of an inference table.

    `days` count from the reference's first; by default all rows are of one day.
    """
    rows = len(scores if scores is not None and not columns else next(iter(columns.values())))
    times = pd.Timestamp("2024-06-01", tz="UTC") + pd.to_timedelta(
        np.zeros(rows) if days is None else days, unit="D"
    )
    scores = np.random.default_rng(1).uniform(0.05, 0.95, size=rows) if scores is None else scores
    own = {
        "request_id": [f"r{row}" for row in range(rows)],
        "time": times,
        "arrived": times,
        "release": "r" * 64,
        "score": scores,
        "prediction": np.where(scores >= 0.5, "yes", "no"),
    }
    return pd.DataFrame(own | {feature_column(name): values for name, values in columns.items()})
