"""Add late labels, by the request id of the prediction, in any number of calls.

Nothing is overwritten: a correction is one more row with its revision, and the highest revision
counts.
"""

import hashlib
import io
import re
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from titlebout.data import (
    category_texts,
    decide_reading,
    load_dataset,
    parse_numbers,
    read_arrow,
    table_columns,
)
from titlebout.monitor.served_rows import newest, read_label_history, read_served
from titlebout.spec import DataError, Dataset, Release, load_environment
from titlebout.storage import Storage, layout, open_storage

COLUMNS = ["request_id", "label"]
SHOWN = 3  # examples in a message
WHOLE = re.compile(r"([+-]?\d+)\.0+")


def label(
    project: Path, model: str, environment: str, file: Path, *, by: str, reason: str | None = None
) -> dict[str, int]:
    """Add the file's labels. Return counts of what became of its rows.

    A label that differs from the stored one is a correction, and replaces it. Unknown request ids
    are counted and not added, since the prediction may still be on its way to the table: give the
    file again later. Raise DataError if the file is no table of request ids and labels, or holds a
    label that the model cannot give.
    """
    storage = open_storage(project, load_environment(project, environment).storage)
    given = _read(file)
    served = read_served(storage, model, columns=["request_id", "release"])
    if served.empty:
        raise DataError(
            f"the inference table of {model} in {environment}",
            expected="predictions",
            found="none",
            next_step="release the model and send requests first",
        )
    labels = _parse_labels(given, _load_datasets(served, storage), file=file)
    _refuse_contradictions(labels, file=file)
    known = labels[labels["request_id"].isin(served["request_id"])]
    fresh = _select_new(
        known.drop_duplicates("request_id"), newest(read_label_history(storage, model))
    )
    if len(fresh):
        _append(storage, model, fresh, by=by, reason=reason)
    corrected = int((fresh["revision"] > 0).sum())
    return {
        "added": len(fresh) - corrected,
        "corrected": corrected,
        "already_known": len(known) - len(fresh),
        "unknown_request_ids": len(labels) - len(known),
    }


def _read(file: Path) -> pd.DataFrame:
    """Return the texts of the two columns. No text means missing here: a class may be called NA."""
    subject = f"labels file {file}"
    table = read_arrow(file)
    if sorted(table.column_names) != sorted(COLUMNS):
        raise DataError(
            subject,
            expected="only the columns request_id and label",
            found=", ".join(table.column_names) or "none",
            next_step="rename or remove columns",
        )
    columns = table_columns(table)
    rows = pd.DataFrame({name: _texts(columns[name]) for name in COLUMNS})
    rows["request_id"] = category_texts(
        rows["request_id"], decide_reading(rows["request_id"], "category").format
    )  # a spreadsheet's 2.0 is 2
    if missing := int((rows.isna() | (rows == "")).any(axis=1).sum()):
        raise DataError(
            subject,
            expected="no missing values",
            found=f"{missing} rows with missing values",
            next_step="leave these rows out",
        )
    return rows


def _parse_labels(rows: pd.DataFrame, datasets: list[Dataset], *, file: Path) -> pd.DataFrame:
    """Return each request's label, as the model's classes are written, or as a finite number.

    A number is read in the format of the newest dataset's target. Raise DataError for other labels.
    """
    classes = {name for dataset in datasets for name in dataset.classes}
    form = datasets[-1].target_format
    labels = (
        rows["label"].map(_match_classes(rows["label"].unique(), classes))
        if classes
        else pd.Series(parse_numbers(rows["label"], form))
    )
    wrong = labels.isna() if classes else ~np.isfinite(labels)
    if wrong.any():
        examples = ", ".join(map(repr, rows["label"][wrong].unique()[:SHOWN].tolist()))
        raise DataError(
            f"labels file {file}",
            expected=f"labels among {', '.join(sorted(classes))}" if classes else "finite numbers",
            found=f"{int(wrong.sum())} of {len(rows)} others, such as {examples}",
            next_step="correct these rows; no row of the file was added",
        )
    return rows.assign(label=labels)


def _refuse_contradictions(labels: pd.DataFrame, *, file: Path) -> None:
    """Refuse two labels of one request in one file: nothing says which of them is the later one."""
    kinds = labels.groupby("request_id", sort=False)["label"].nunique()
    if len(several := kinds[kinds > 1]):
        raise DataError(
            f"labels file {file}",
            expected="one label for each request",
            found=f"{len(several)} requests with different ones, such as {several.index[0]!r}",
            next_step="keep the right one of each; no row of the file was added",
        )


def _load_datasets(served: pd.DataFrame, storage: Storage) -> list[Dataset]:
    """Return what the releases in the table were trained on, in the order of their rows."""
    datasets: list[Dataset] = []
    for release in served["release"].unique():
        record = storage.read_record(Release, *layout.release(release), digest=release)
        datasets.append(load_dataset(storage, record.data_digest))
    return datasets


def _texts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return each value's text, whole numbers without a decimal point.

    A column with gaps would otherwise have one.
    """
    if values.dtype.kind == "f":
        values = values.map(
            lambda value: str(int(value)) if value.is_integer() else repr(value), na_action="ignore"
        )
    return values.astype("str")


def _match_classes(labels: Collection[str], classes: Collection[str]) -> dict[str, str | None]:
    """Return the class that each label names: its own text, or the only class of the same meaning.

    So `True` names true, and `1.0` names 1.
    """
    same: dict[str, list[str]] = {}
    for name in classes:
        same.setdefault(_normalize(name), []).append(name)
    return {
        given: given if given in classes else _single(same.get(_normalize(given), []))
        for given in labels
    }


def _normalize(text: str) -> str:
    bare = text.strip()
    if bare.lower() in ("true", "false"):
        return bare.lower()
    whole = WHOLE.fullmatch(bare)
    return whole[1] if whole else bare


def _single(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _select_new(labels: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Return the labels that are not stored yet, each with its revision.

    It is 0, or one more than that of the label that it replaces.
    """
    known = labels.merge(stored, on="request_id", how="left", suffixes=("", "_stored"))
    revision = known["revision"].fillna(-1).astype("int64") + 1
    return labels.assign(revision=revision.to_numpy())[
        (known["label"] != known["label_stored"]).to_numpy()
    ]


def _append(
    storage: Storage, model: str, fresh: pd.DataFrame, *, by: str, reason: str | None
) -> None:
    """Write one file per call, named by its content: a call that is repeated leaves one file."""
    rows = fresh.sort_values("request_id").assign(
        by=by, reason=pd.Series(reason, index=fresh.index, dtype="str")
    )
    name = hashlib.sha256(rows.to_json(orient="values").encode()).hexdigest()
    buffer = io.BytesIO()
    rows.assign(time=datetime.now(UTC)).to_parquet(buffer, index=False)
    storage.write(buffer.getvalue(), *layout.labels(model, f"{name}.parquet"))
