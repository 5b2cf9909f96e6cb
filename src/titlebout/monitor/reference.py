"""Load the reference of a window: what the Champion was trained and measured on."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data import Codes, PartRows, load_dataset, load_part
from titlebout.registry import Registry, Version
from titlebout.scoring import load_predictor, predictor_columns
from titlebout.spec import PART_NAMES, Contract, DataError, Dataset
from titlebout.storage import Storage

CHAMPION = "champion"


class Reference(NamedTuple):
    """Hold the Champion, its dataset, and its scores on rows that it was not fitted to.

    `unseen` is validation and holdout together, and `scores` are the Champion's on it. A model is
    too sure of rows that it was fitted to.
    """

    champion: Version
    contract: Contract
    dataset: Dataset
    train: PartRows
    holdout: PartRows
    unseen: PartRows
    scores: NDArray[np.float64]

    @property
    def holdout_scores(self) -> NDArray[np.float64]:
        """Return the Champion's scores on the holdout."""
        return self.scores[-len(self.holdout.y) :]

    @property
    def by_day(self) -> bool:
        """Tell whether blocks are days, and a window's length is counted in days."""
        return self.dataset.time_column is not None and self.dataset.group_column is None

    def blocks_of(self, part: PartRows) -> Codes | None:
        """Return the blocks of rows that are drawn together: groups if declared, else days."""
        return part.groups if self.dataset.group_column is not None else part.days


def load_reference(registry: Registry, storage: Storage, model: str) -> Reference:
    """Return the Champion's reference.

    Raise DataError without a Champion, and IntegrityError if its artifact or dataset was altered.
    """
    champion = registry.find(model, alias=CHAMPION)
    if champion is None:
        raise DataError(
            f"model {model}",
            expected="a Champion, whose predictions are monitored",
            found="none",
            next_step="release a version first",
        )
    dataset = load_dataset(storage, champion.tags.get("dataset", "that its tag does not name"))
    train, validation, holdout = (load_part(storage, dataset, part) for part in PART_NAMES)
    unseen = PartRows.of(
        dataset,
        pd.concat([validation.frame, holdout.frame], ignore_index=True),
        np.concatenate([validation.hashes, holdout.hashes]),
    )
    with tempfile.TemporaryDirectory(prefix="titlebout-monitor-") as work:
        predictor = load_predictor(
            registry.download(champion, Path(work) / "model"), digest=champion.digest
        )
        scores = predictor.scores(predictor_columns(unseen.X))
    return Reference(champion, predictor.contract, dataset, train, holdout, unseen, scores)


def compared_values(contract: Contract, scores: NDArray[np.float64]) -> "pd.Series[Any]":
    """Return what is compared of predictions: the class of a multiclass model, else the score."""
    if contract.task == "multiclass":
        return pd.Series(np.array(contract.classes, dtype=object)[scores.argmax(axis=1)])
    return pd.Series(scores)


def encode_labels(contract: Contract, labels: "pd.Series[Any]") -> NDArray[np.float64]:
    """Return the labels as `PartRows.y` has them."""
    if contract.task == "regression":
        return labels.to_numpy(dtype=np.float64)
    return np.asarray(
        pd.Categorical(labels, categories=list(contract.classes)).codes, dtype=np.float64
    )
