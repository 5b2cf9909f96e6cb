"""Late labels: what really happened, by the request id of the prediction; append-only, and taken in any number of times."""

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from titlebout.data import load_dataset
from titlebout.monitor.table import LABELS, read_labels, read_served
from titlebout.spec import CODE, DataError, Dataset, Release, load_environment
from titlebout.storage import Storage, open_storage

COLUMNS = ["request_id", "label"]
SHOWN = 3  # examples in a message


def label(project: Path, model: str, environment: str, file: Path) -> dict[str, int]:
    """Counts of what became of the file's rows. The first label of a request stands: another one later is a conflict, and not taken.

    Unknown request ids are counted and not taken, since the prediction may still be on its way to the table: give the file again later.
    Raises DataError if the file is no table of request ids and labels, or holds a label that the model cannot give.
    """
    storage = open_storage(project, load_environment(project, environment).storage)
    given = _read(file)
    served = read_served(storage, model, columns=["request_id", "release"])
    if served.empty:
        raise DataError(f"the inference table of {model} in {environment}", expected="predictions", found="none", next_step="release first")
    known = given[given["request_id"].isin(served["request_id"])]
    labels = _typed(known, served, storage, file=file)
    fresh, counts = _new(labels, read_labels(storage, model))
    if len(fresh):
        _append(storage, model, fresh)
    return {"added": len(fresh), **counts, "unknown_request_ids": len(given) - len(known)}


def _read(file: Path) -> pd.DataFrame:
    subject = f"labels file {file}"
    readers: dict[str, Any] = {
        ".csv": lambda: pd.read_csv(file, dtype={"request_id": "str"}),
        ".parquet": lambda: pd.read_parquet(file),
        ".jsonl": lambda: pd.read_json(file, lines=True, dtype={"request_id": "str"}),
    }
    if file.suffix not in readers:
        raise DataError(subject, expected="a file that ends with .csv, .parquet or .jsonl", found=file.name, next_step="convert it")
    if not file.is_file():
        raise DataError(subject, expected="a file", found="none", next_step="check the path")
    try:
        rows = readers[file.suffix]()
    except (ValueError, OSError) as error:
        raise DataError(subject, expected=f"a readable {file.suffix} table", found=str(error), next_step="mend the file") from error
    if sorted(rows.columns) != sorted(COLUMNS):
        raise DataError(
            subject,
            expected="only the columns request_id and label",
            found=", ".join(map(str, rows.columns)),
            next_step="rename or drop",
        )
    if missing := int(rows[COLUMNS].isna().any(axis=1).sum()):
        raise DataError(subject, expected="no missing values", found=f"{missing} rows with", next_step="leave these rows out")
    return pd.DataFrame({"request_id": rows["request_id"].astype("str"), "label": rows["label"]})


def _typed(rows: pd.DataFrame, served: pd.DataFrame, storage: Storage, *, file: Path) -> pd.DataFrame:
    """Labels as the model's classes are written, or as numbers; raises DataError for others."""
    classes, regression = _answers(served, storage)
    labels = pd.to_numeric(rows["label"], errors="coerce") if regression else _as_text(rows["label"])
    wrong = labels.isna() if regression else ~labels.isin(classes)
    if wrong.any():
        examples = ", ".join(map(repr, rows["label"][wrong].unique()[:SHOWN].tolist()))
        raise DataError(
            f"labels file {file}",
            expected="numbers" if regression else f"labels among {', '.join(sorted(classes))}",
            found=f"{int(wrong.sum())} of {len(rows)} others, such as {examples}",
            next_step="mend these rows; nothing of the file was taken",
        )
    return rows.assign(label=labels)


def _answers(served: pd.DataFrame, storage: Storage) -> tuple[set[str], bool]:
    """The classes that the releases in the table may give; none if they predict numbers."""
    datasets: list[Dataset] = []
    for release in served["release"].unique():
        record = storage.read_record(Release, "releases", f"{release}.json", digest=release)
        datasets.append(load_dataset(storage, record.data_digest))
    classes = {name for dataset in datasets for name in dataset.classes}
    return classes, not classes


def _as_text(values: "pd.Series[Any]") -> "pd.Series[str]":
    """As `data` writes classes: whole numbers without a decimal point."""
    from titlebout.data.wire import category_texts

    return category_texts(values, CODE).astype("str")


def _new(labels: pd.DataFrame, stored: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The first label of each request that has none yet, and how many were there already, the same or another."""
    together = pd.concat([stored.assign(new=False), labels.assign(new=True)], ignore_index=True)
    first = together.groupby("request_id", sort=False)["label"].transform("first")
    again = together["new"] & together.duplicated("request_id")
    conflicting = int((again & (together["label"] != first)).sum())
    fresh = together[together["new"] & ~again][COLUMNS]
    return fresh, {"already_known": int(again.sum()) - conflicting, "conflicting": conflicting}


def _append(storage: Storage, model: str, fresh: pd.DataFrame) -> None:
    """One file per call, named by its content, so that a call cut off and made again leaves one."""
    content = fresh.sort_values("request_id").to_json(orient="values")
    name = hashlib.sha256(content.encode()).hexdigest()
    buffer = io.BytesIO()
    fresh.assign(time=datetime.now(UTC)).to_parquet(buffer, index=False)
    storage.write(buffer.getvalue(), LABELS, model, f"{name}.parquet")
