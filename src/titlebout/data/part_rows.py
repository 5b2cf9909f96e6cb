"""Hold the rows of a dataset's part for training, evaluation, the gate and monitoring."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.hashes import Hashes
from titlebout.data.target import codes
from titlebout.scoring import Encoder
from titlebout.spec import Column, Contract, Dataset, Input

Codes = NDArray[np.int64]
Labels = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class PartRows:
    """Hold rows of a part of a dataset. Each array has one element per row.

    `frame` holds the features in wire form, and the columns of target, time and group.
    `columns` declares the features, in model.yaml's order.
    `y` holds class codes (binary: 1 is positive) or numbers.
    `hashes` tell rows apart (data/keys.py).

    Rows of one day are not independent, nor are rows of one group or copies of one row.
    `days` codes the day of each row, in the order of time. `groups` codes its group, or its copies.
    Either is None where the dataset has no such column, or no copies.
    """

    frame: pd.DataFrame
    columns: Mapping[str, Column]
    y: Labels
    hashes: Hashes
    days: Codes | None = None
    groups: Codes | None = None

    @classmethod
    def of(cls, dataset: Dataset, frame: pd.DataFrame, hashes: Hashes) -> "PartRows":
        """Return the frame's rows with what the dataset's record says of them."""
        return cls(
            frame=frame,
            columns=dataset.columns,
            y=codes(frame[dataset.target], dataset.classes),
            hashes=hashes,
            days=_encode_days(dataset, frame),
            groups=_encode_groups(dataset, frame, hashes),
        )

    @cached_property
    def X(self) -> pd.DataFrame:
        """Return the model columns, as the fitted pipeline takes them."""
        return features(self.frame, self.columns)

    def take(self, positions: NDArray[np.integer[Any]]) -> "PartRows":
        """Return the rows at the positions. They keep their codes of days and groups."""
        return replace(
            self,
            frame=self.frame.iloc[positions].reset_index(drop=True),
            y=self.y[positions],
            hashes=self.hashes[positions],
            days=None if self.days is None else self.days[positions],
            groups=None if self.groups is None else self.groups[positions],
        )

    def sample(self, maximum: int, *, seed: int) -> "PartRows":
        """Return at most `maximum` rows in their old order."""
        if len(self.y) <= maximum:
            return self
        return self.take(sample_positions(len(self.y), maximum, np.random.default_rng(seed)))


def sample_positions(rows: int, maximum: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return `maximum` positions of so many rows, or all if there are fewer.

    They are drawn without replacement, and sorted.
    """
    if rows <= maximum:
        return np.arange(rows)
    return np.sort(random.choice(rows, size=maximum, replace=False))


def features(
    frame: pd.DataFrame, columns: Mapping[str, Column], *, missing: Collection[str] = ()
) -> pd.DataFrame:
    """Return columns in wire form as model columns, by the server's own encoder.

    Other columns of the frame are left aside. Missing words were read with the file;
    `missing` are those of a contract that has more.

    Raises:
        InputError: a value is not of its column's type.
    """
    inputs = [
        Input(name=name, type=column.type, format=column.format) for name, column in columns.items()
    ]
    return pd.DataFrame(
        Encoder(inputs, missing=missing).encode({name: _to_array(frame[name]) for name in columns})
    )


def contract_columns(contract: Contract) -> dict[str, Column]:
    """Return the contract's inputs as `features` takes them."""
    return {
        column.name: Column(type=column.type, format=column.format) for column in contract.inputs
    }


def _to_array(column: "pd.Series[Any]") -> NDArray[Any]:
    if isinstance(column.dtype, pd.BooleanDtype):
        return (
            column.to_numpy(dtype=bool)
            if column.notna().all()
            else column.astype(object).where(column.notna(), None).to_numpy()
        )
    return column.to_numpy()


def _encode_days(dataset: Dataset, frame: pd.DataFrame) -> Codes | None:
    if dataset.time_column is None:
        return None
    days = frame[dataset.time_column].to_numpy(dtype="datetime64[D]").astype(np.int64)
    return np.asarray(np.unique(days, return_inverse=True)[1], dtype=np.int64)


def _encode_groups(dataset: Dataset, frame: pd.DataFrame, hashes: Hashes) -> Codes | None:
    """Return codes of the declared groups; of a split by row, those of copies if there are any."""
    if dataset.group_column is not None:
        return np.asarray(pd.factorize(frame[dataset.group_column], sort=True)[0], dtype=np.int64)
    if dataset.split is None or dataset.split.by != "row":
        return None
    distinct, copies = np.unique(hashes, return_inverse=True)
    return np.asarray(copies, dtype=np.int64) if len(distinct) < len(hashes) else None
