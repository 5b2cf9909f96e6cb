"""Frozen datasets: written once under `datasets/<digest>/`, read back only if every row is still the one that was frozen."""

import hashlib
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.hashes import Hashes, row_hashes
from titlebout.data.target import codes
from titlebout.scoring import Encoder
from titlebout.spec import Column, DataError, Dataset, Input, IntegrityError
from titlebout.storage import Storage

PartName = Literal["train", "validation", "holdout"]
EARLIER: tuple[PartName, PartName] = ("train", "validation")
FOLDER, RECORD = "datasets", "record.json"


@dataclass(frozen=True)
class Frame:
    """One part. `frame`: features in wire form, target, time and group columns; `hashes`: by which rows are told apart (data/keys.py);
    `y`: class codes (binary: 1 is positive) or numbers.

    Rows are not independent within a day (`days`, in order) nor within a group or among copies (`groups`); None where there is no such
    way. `blocks` is the one way that monitoring redraws: groups if declared, else days.
    """

    dataset: Dataset
    frame: pd.DataFrame
    hashes: Hashes

    @cached_property
    def X(self) -> pd.DataFrame:
        """Model columns, as the fitted pipeline takes them, in model.yaml's order."""
        return features(self.frame, self.dataset.columns)

    @cached_property
    def y(self) -> NDArray[np.int64] | NDArray[np.float64]:
        return codes(self.frame[self.dataset.target], self.dataset.classes)

    @cached_property
    def days(self) -> NDArray[np.int64] | None:
        if self.dataset.time_column is None:
            return None
        days = self.frame[self.dataset.time_column].to_numpy(dtype="datetime64[D]").astype(np.int64)
        return np.asarray(np.unique(days, return_inverse=True)[1], dtype=np.int64)

    @cached_property
    def groups(self) -> NDArray[np.int64] | None:
        if self.dataset.group_column is not None:
            return np.asarray(
                pd.factorize(self.frame[self.dataset.group_column], sort=True)[0], dtype=np.int64
            )
        if self.dataset.split is None or self.dataset.split.by != "row":
            return None
        distinct, copies = np.unique(self.hashes, return_inverse=True)
        return np.asarray(copies, dtype=np.int64) if len(distinct) < len(self.hashes) else None

    @property
    def blocks(self) -> NDArray[np.int64] | None:
        return self.groups if self.dataset.group_column is not None else self.days


def features(
    frame: pd.DataFrame, columns: Mapping[str, Column], *, missing: Collection[str] = ()
) -> pd.DataFrame:
    """Columns in wire form (others are left aside) as model columns, by the server's own encoder; raises InputError.

    Missing words were read with the file; `missing` are those of a contract that has more.
    """
    inputs = [
        Input(name=name, type=column.type, format=column.format) for name, column in columns.items()
    ]
    return pd.DataFrame(
        Encoder(inputs, missing=missing).encode({name: _values(frame[name]) for name in columns})
    )


def _values(column: "pd.Series[Any]") -> NDArray[Any]:
    if isinstance(column.dtype, pd.BooleanDtype):
        return (
            column.to_numpy(dtype=bool)
            if column.notna().all()
            else column.astype(object).where(column.notna(), None).to_numpy()
        )
    return column.to_numpy()


def rows_digest(frame: pd.DataFrame, hashes: Hashes) -> str:
    """Over the row hashes of the source and of what is kept, both in order: any other value, row or order is another digest."""
    sha = hashlib.sha256(np.ascontiguousarray(hashes, dtype="<u8").tobytes())
    sha.update(np.ascontiguousarray(row_hashes(frame), dtype="<u8").tobytes())
    return sha.hexdigest()


def freeze(
    storage: Storage, dataset: Dataset, parts: Mapping[PartName, tuple[pd.DataFrame, Hashes]]
) -> None:
    """The record last: where it stands, the parts do. Freezing the same dataset again changes nothing."""
    if storage.exists(FOLDER, dataset.digest, RECORD):
        return
    for name, (frame, hashes) in parts.items():
        storage.write(_parquet(frame), FOLDER, dataset.digest, f"{name}.parquet")
        storage.write(
            _parquet(pd.DataFrame({"hash": hashes})),
            FOLDER,
            dataset.digest,
            f"{name}.hashes.parquet",
        )
    storage.write_record(dataset, FOLDER, dataset.digest, RECORD)


def load_dataset(storage: Storage, digest: str) -> Dataset:
    """Raises DataError if there is none, IntegrityError if it was altered."""
    if not storage.exists(FOLDER, digest, RECORD):
        raise DataError(
            f"dataset {digest}",
            expected=f"its record in {storage.address(FOLDER)}",
            found="none",
            next_step="run prepare again",
        )
    return storage.read_record(Dataset, FOLDER, digest, RECORD, digest=digest)


def load_part(storage: Storage, dataset: Dataset, part: PartName) -> Frame:
    """Raises IntegrityError if a value, a row or the order is not what was frozen."""
    address = (FOLDER, dataset.digest, f"{part}.parquet")
    frame = _table(storage, *address)
    hashes: Hashes = _table(storage, FOLDER, dataset.digest, f"{part}.hashes.parquet")[
        "hash"
    ].to_numpy(dtype=np.uint64)
    expected = dataset.parts[part].rows_digest
    found = rows_digest(frame, hashes)
    if found != expected:
        raise IntegrityError(
            storage.address(*address),
            expected=f"rows digest {expected}",
            found=f"rows digest {found}",
            next_step=f"delete the folder {storage.address(FOLDER, dataset.digest)} and run prepare again; its content was altered",
        )
    return Frame(dataset, frame, hashes)


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _table(storage: Storage, *parts: str) -> pd.DataFrame:
    """Raises IntegrityError if the file is gone or is no Parquet any more."""
    import pyarrow as pa

    try:
        return pd.read_parquet(io.BytesIO(storage.read(*parts)))
    except (FileNotFoundError, pa.ArrowInvalid, OSError) as error:
        raise IntegrityError(
            storage.address(*parts),
            expected="the Parquet file that was frozen",
            found=str(error),
            next_step="restore it, or prepare again",
        ) from error
