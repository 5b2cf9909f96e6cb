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
from titlebout.serve.columns import Encoder
from titlebout.spec import Column, DataError, Dataset, Input, IntegrityError
from titlebout.storage import Storage

PartName = Literal["train", "validation", "holdout"]
EARLIER: tuple[PartName, PartName] = ("train", "validation")
FOLDER, RECORD = "datasets", "record.json"


@dataclass(frozen=True)
class Frame:
    """One part. `frame`: features in wire form, target, time and group columns; `y`: class codes (binary: 1 is positive) or numbers;
    `blocks`: which rows belong together, by group or else by day, None where rows are independent."""

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
    def blocks(self) -> NDArray[np.int64] | None:
        if self.dataset.group_column is not None:
            return np.asarray(pd.factorize(self.frame[self.dataset.group_column], sort=True)[0], dtype=np.int64)
        if self.dataset.time_column is not None:
            days = self.frame[self.dataset.time_column].to_numpy(dtype="datetime64[D]").astype(np.int64)
            return np.asarray(np.unique(days, return_inverse=True)[1], dtype=np.int64)
        return None


def features(frame: pd.DataFrame, columns: Mapping[str, Column], *, missing: Collection[str] = ()) -> pd.DataFrame:
    """Columns in wire form (others are left aside) as model columns, by the server's own encoder; raises InputError.

    Missing words were read with the file; `missing` are those of a contract that has more.
    """
    inputs = [Input(name=name, type=column.type, format=column.format) for name, column in columns.items()]
    return pd.DataFrame(Encoder(inputs, missing=missing).encode({name: _values(frame[name]) for name in columns}))


def _values(column: "pd.Series[Any]") -> NDArray[Any]:
    if isinstance(column.dtype, pd.BooleanDtype):
        return column.to_numpy(dtype=bool) if column.notna().all() else column.astype(object).where(column.notna(), None).to_numpy()
    return column.to_numpy()


def rows_digest(frame: pd.DataFrame, hashes: Hashes) -> str:
    """Over the row hashes of the source and of what is kept, both in order: any other value, row or order is another digest."""
    sha = hashlib.sha256(np.ascontiguousarray(hashes, dtype="<u8").tobytes())
    sha.update(np.ascontiguousarray(row_hashes(frame), dtype="<u8").tobytes())
    return sha.hexdigest()


def freeze(storage: Storage, dataset: Dataset, parts: Mapping[PartName, tuple[pd.DataFrame, Hashes]]) -> None:
    """The record last: where it stands, the parts do. Freezing the same dataset again changes nothing."""
    if storage.exists(FOLDER, dataset.digest, RECORD):
        return
    for name, (frame, hashes) in parts.items():
        storage.write(_parquet(frame), FOLDER, dataset.digest, f"{name}.parquet")
        storage.write(_parquet(pd.DataFrame({"hash": hashes})), FOLDER, dataset.digest, f"{name}.hashes.parquet")
    storage.write_record(dataset, FOLDER, dataset.digest, RECORD)


def load_dataset(storage: Storage, digest: str) -> Dataset:
    """Raises DataError if there is none, IntegrityError if it was altered."""
    if not storage.exists(FOLDER, digest, RECORD):
        raise DataError(
            f"dataset {digest}", expected=f"its record in {storage.address(FOLDER)}", found="none", next_step="run prepare again"
        )
    return storage.read_record(Dataset, FOLDER, digest, RECORD, digest=digest)


def load_part(storage: Storage, dataset: Dataset, part: PartName) -> Frame:
    """Raises IntegrityError if a value, a row or the order is not what was frozen."""
    address = (FOLDER, dataset.digest, f"{part}.parquet")
    frame = _table(storage, *address)
    hashes: Hashes = _table(storage, FOLDER, dataset.digest, f"{part}.hashes.parquet")["hash"].to_numpy(dtype=np.uint64)
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


def prove_disjoint(storage: Storage, dataset: Dataset, trained_on: Dataset) -> int:
    """How many holdout rows of `dataset` stand among the train and validation rows of `trained_on`: 0 is the proof.

    Row hashes prove it if both were taken from the same source columns; else time does, if the holdout begins after all of the
    others; else there is no proof, and DataError is raised.
    """
    if set(dataset.source_columns) == set(trained_on.source_columns):
        known = np.concatenate([load_part(storage, trained_on, part).hashes for part in EARLIER])
        return int(np.isin(load_part(storage, dataset, "holdout").hashes, known).sum())
    first, last = dataset.parts["holdout"].first_time, trained_on.parts["validation"].last_time
    begins_after = first is not None and last is not None and first > max(last, str(trained_on.parts["train"].last_time))
    if begins_after and dataset.time_column == trained_on.time_column:
        return 0
    changed = sorted(set(dataset.source_columns) ^ set(trained_on.source_columns))
    raise DataError(
        f"the holdout of dataset {dataset.digest[:12]}",
        expected=f"proof that no row of it is in dataset {trained_on.digest[:12]}",
        found=f"other source columns ({', '.join(changed)}), so that row hashes do not compare",
        next_step="split by time, so that a later holdout proves itself, or release with an override",
    )


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
            storage.address(*parts), expected="the Parquet file that was frozen", found=str(error), next_step="restore it, or prepare again"
        ) from error
