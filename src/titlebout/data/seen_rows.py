"""Which rows of a holdout a model has seen: those that it was trained, chosen or tuned on.

What is proved is about rows, by what tells them apart (data/keys.py): equal features, the same group, or, by time, the whole row.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.data.datasets import EARLIER, load_part
from titlebout.data.hashes import unit
from titlebout.data.part_rows import PartRows
from titlebout.spec import DataError, Dataset, SeenRows
from titlebout.storage import Storage, layout

NOT_SAID = "not-said"
NEVER = 1.0  # beyond every place: of a class that was not seen


def prove_disjoint(storage: Storage, dataset: Dataset, trained_on: Dataset) -> int:
    """Return how many holdout rows of `dataset` stand among the train and validation rows of `trained_on`: 0 is the proof.

    Row hashes prove it if both cover the same columns; else time does, if the holdout begins after all of the others; else there is no
    proof, and DataError is raised.
    """
    if _told_apart_alike(dataset, trained_on):
        known = np.concatenate([load_part(storage, trained_on, part).hashes for part in EARLIER])
        return int(np.isin(load_part(storage, dataset, "holdout").hashes, known).sum())
    first, last = dataset.parts["holdout"].first_time, trained_on.parts["validation"].last_time
    begins_after = (
        first is not None
        and last is not None
        and first > max(last, str(trained_on.parts["train"].last_time))
    )
    if begins_after and dataset.time_column == trained_on.time_column:
        return 0
    raise DataError(
        f"the holdout of dataset {dataset.digest[:12]}",
        expected=f"proof that no row of it is in dataset {trained_on.digest[:12]}",
        found=f"{_difference(dataset, trained_on)}, so that row hashes do not compare",
        next_step=_keep_the_key(dataset, trained_on),
    )


def seen_rows(dataset: Dataset, train: PartRows, validation: PartRows) -> SeenRows:
    """Return what proves, without these rows, that others are none of them."""
    if dataset.split is None or dataset.split.by == "time":
        first, last = dataset.parts["train"].first_time, dataset.parts["validation"].last_time
        return _seen(dataset).model_copy(
            update={"time_column": dataset.time_column, "since": first, "until": last}
        )
    hashes = np.concatenate([train.hashes, validation.hashes])
    classes = np.concatenate([_classes(dataset, train), _classes(dataset, validation)])
    places = unit(hashes, salt="split")
    kept = (
        places < dataset.split.holdout
    )  # held back for train although their hash says holdout: a rare class's only row
    seen_from = pd.Series(places[~kept]).groupby(classes[~kept]).min()
    besides = tuple(sorted({f"{int(one):016x}" for one in hashes[kept]}))
    return _seen(dataset).model_copy(
        update={
            "seen_from": {str(name): float(at) for name, at in seen_from.items()},
            "besides": besides,
        }
    )


def keep_seen(storage: Storage, seen: SeenRows | None) -> str:
    """Write the record, and return its digest; NOT_SAID stands for settings of which it is not known."""
    if seen is None:
        return NOT_SAID
    storage.write_record(seen, *layout.seen_rows(seen.digest))
    return seen.digest


def load_seen(storage: Storage, digest: str) -> SeenRows:
    """Raises DataError if it is not known on which rows the settings were tuned."""
    if digest == NOT_SAID or not storage.exists(*layout.seen_rows(digest)):
        raise DataError(
            f"the rows {digest} that settings were tuned on",
            expected="their record, which settings.lock.yaml carries",
            found="none",
            next_step="tune again where tuning is allowed, commit settings.lock.yaml, and train again",
        )
    return storage.read_record(SeenRows, *layout.seen_rows(digest), digest=digest)


def count_seen(storage: Storage, dataset: Dataset, seen: SeenRows) -> int:
    """Return how many holdout rows of `dataset` may be among the seen ones: 0 is the proof; raises DataError where they do not compare."""
    if not _told_apart_alike(dataset, seen) and not _by_time(dataset, seen):
        raise DataError(
            f"the holdout of dataset {dataset.digest[:12]}",
            expected=f"proof that its settings were not tuned on a row of it, but on dataset {seen.dataset[:12]}",
            found=f"{_difference(dataset, seen)}, so that row hashes do not compare",
            next_step="tune again where tuning is allowed, and commit settings.lock.yaml",
        )
    holdout = load_part(storage, dataset, "holdout")
    if _by_time(dataset, seen):
        times = pd.to_datetime(holdout.frame[str(dataset.time_column)])
        return int(
            times.between(pd.Timestamp(str(seen.since)), pd.Timestamp(str(seen.until))).sum()
        )
    beyond = np.array([seen.seen_from.get(str(name), NEVER) for name in _classes(dataset, holdout)])
    besides = np.array([int(one, 16) for one in seen.besides], dtype=np.uint64)
    return int(
        ((unit(holdout.hashes, salt="split") >= beyond) | np.isin(holdout.hashes, besides)).sum()
    )


def proof_in_words(dataset: Dataset) -> str:
    """Return what it means that no row of the holdout was seen."""
    by, theirs = (
        None if dataset.split is None else dataset.split.by,
        "that either model was trained or tuned on",
    )
    if by == "group":
        return f"no {dataset.group_column} of the holdout is among those {theirs}"
    if by == "row" and dataset.target not in dataset.key_columns:
        columns = (
            "its features"
            if set(dataset.key_columns) == set(dataset.columns)
            else ", ".join(dataset.key_columns)
        )
        return f"no row of the holdout is equal in {columns} to one {theirs}; rows are proved, not entities"
    return f"no row of the holdout is one {theirs}; rows are proved, not entities, which may be known from other rows"


def _seen(dataset: Dataset) -> SeenRows:
    return SeenRows(dataset=dataset.digest, split=dataset.split, key_columns=dataset.key_columns)


def _classes(dataset: Dataset, rows: PartRows) -> NDArray[np.object_]:
    """Return each row's class as text; of a regression, nothing."""
    names = np.array(dataset.classes or ("",), dtype=object)
    return names[rows.y.astype(np.intp)] if dataset.classes else np.repeat(names, len(rows.y))


def _told_apart_alike(dataset: Dataset, other: Dataset | SeenRows) -> bool:
    same_way = dataset.split is None or other.split is None or dataset.split.by == other.split.by
    return same_way and set(dataset.key_columns) == set(other.key_columns)


def _by_time(dataset: Dataset, seen: SeenRows) -> bool:
    return (
        seen.until is not None
        and dataset.time_column is not None
        and seen.time_column == dataset.time_column
    )


def _difference(dataset: Dataset, other: Dataset | SeenRows) -> str:
    ways = [one.split.by for one in (other, dataset) if one.split is not None]
    if len(set(ways)) > 1:
        return f"rows told apart by {ways[0]} there and by {ways[1]} here"
    return f"other source columns ({', '.join(sorted(set(dataset.key_columns) ^ set(other.key_columns)))})"


def _keep_the_key(dataset: Dataset, trained_on: Dataset) -> str:
    by_row = all(one.split is not None and one.split.by == "row" for one in (dataset, trained_on))
    if by_row and dataset.target not in (*dataset.key_columns, *trained_on.key_columns):
        key = ", ".join(trained_on.key_columns)
        return f"write `split: {{by: row, key: [{key}]}}` in model.yaml, which keeps every row's part, and train again"
    return "split by time, so that a later holdout proves itself, or release with an override"
