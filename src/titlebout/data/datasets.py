"""Write frozen datasets once, and read them back only if no row was altered since."""

import hashlib
import io
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from titlebout.data.hashes import Hashes, row_hashes
from titlebout.data.part_rows import PartRows
from titlebout.spec import DataError, Dataset, IntegrityError
from titlebout.storage import Storage, layout

PartName = Literal["train", "validation", "holdout"]
EARLIER: tuple[PartName, PartName] = ("train", "validation")


def rows_digest(frame: pd.DataFrame, hashes: Hashes) -> str:
    """Return the digest of the row hashes of the source and of what is kept, both in order.

    Any other value, row or order gives another digest.
    """
    sha = hashlib.sha256(np.ascontiguousarray(hashes, dtype="<u8").tobytes())
    sha.update(np.ascontiguousarray(row_hashes(frame), dtype="<u8").tobytes())
    return sha.hexdigest()


def freeze(
    storage: Storage, dataset: Dataset, parts: Mapping[PartName, tuple[pd.DataFrame, Hashes]]
) -> None:
    """Write the parts, then the record: a dataset with a record is whole.

    Freezing the same dataset again changes nothing.
    """
    if storage.exists(*layout.dataset_record(dataset.digest)):
        return
    for name, (frame, hashes) in parts.items():
        storage.write(_to_parquet(frame), *layout.dataset_rows(dataset.digest, name))
        storage.write(
            _to_parquet(pd.DataFrame({"hash": hashes})),
            *layout.dataset_hashes(dataset.digest, name),
        )
    storage.write_record(dataset, *layout.dataset_record(dataset.digest))


def load_dataset(storage: Storage, digest: str) -> Dataset:
    """Return the record. Raises DataError if there is none, IntegrityError if it was altered."""
    if not storage.exists(*layout.dataset_record(digest)):
        raise DataError(
            f"dataset {digest}",
            expected=f"its record in {storage.address(layout.DATASETS)}",
            found="none",
            next_step="run prepare again",
        )
    return storage.read_record(Dataset, *layout.dataset_record(digest), digest=digest)


def load_part(storage: Storage, dataset: Dataset, part: PartName) -> PartRows:
    """Return the rows. Raises IntegrityError if a value, a row or the order was altered."""
    address = layout.dataset_rows(dataset.digest, part)
    frame = _read_table(storage, *address)
    hashes: Hashes = _read_table(storage, *layout.dataset_hashes(dataset.digest, part))[
        "hash"
    ].to_numpy(dtype=np.uint64)
    expected = dataset.parts[part].rows_digest
    found = rows_digest(frame, hashes)
    if found != expected:
        raise IntegrityError(
            storage.address(*address),
            expected=f"rows digest {expected}",
            found=f"rows digest {found}",
            next_step=f"delete the folder {storage.address(*layout.dataset(dataset.digest))} "
            "and run prepare again; its content was altered",
        )
    return PartRows.of(dataset, frame, hashes)


def _to_parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _read_table(storage: Storage, *parts: str) -> pd.DataFrame:
    """Read a Parquet file of a dataset. Raise IntegrityError if it is gone or damaged."""
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
