"""Count the rows of a holdout that a model has seen in training, choosing or tuning.

The proof is about rows, by the hash that tells them apart (data/keys.py).
It covers equal features, the same group or, by time, the whole row.
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
NEVER = 1.0  # above every hash's number: for a class that was not seen


def prove_disjoint(storage: Storage, dataset: Dataset, trained_on: Dataset) -> int:
    """Return how many holdout rows of `dataset` are train or validation rows of `trained_on`.

    0 proves that the two share no row. The proof is by:

    1. row hashes, if both cover the same columns;
    2. time, if the holdout begins after all rows of `trained_on`.

    Raise DataError if neither is possible.
    """
    if _have_equal_keys(dataset, trained_on):
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
        found=f"{_describe_difference(dataset, trained_on)}, so that row hashes do not compare",
        next_step=_suggest_split(dataset, trained_on),
    )


def seen_rows(dataset: Dataset, train: PartRows, validation: PartRows) -> SeenRows:
    """Return the record that proves, without these rows, that others are none of them."""
    if dataset.split is None or dataset.split.by == "time":
        first, last = dataset.parts["train"].first_time, dataset.parts["validation"].last_time
        return _start_record(dataset).model_copy(
            update={"time_column": dataset.time_column, "since": first, "until": last}
        )
    hashes = np.concatenate([train.hashes, validation.hashes])
    classes = np.concatenate([_name_classes(dataset, train), _name_classes(dataset, validation)])
    numbers = unit(hashes, salt="split")
    # Kept in train although their hash says holdout: the only row of a rare class.
    kept = numbers < dataset.split.holdout
    seen_from = pd.Series(numbers[~kept]).groupby(classes[~kept]).min()
    besides = tuple(sorted({f"{int(one):016x}" for one in hashes[kept]}))
    return _start_record(dataset).model_copy(
        update={
            "seen_from": {str(name): float(at) for name, at in seen_from.items()},
            "besides": besides,
        }
    )


def keep_seen(storage: Storage, seen: SeenRows | None) -> str:
    """Write the record, and return its digest. Return NOT_SAID if the rows are not known."""
    if seen is None:
        return NOT_SAID
    storage.write_record(seen, *layout.seen_rows(seen.digest))
    return seen.digest


def load_seen(storage: Storage, digest: str) -> SeenRows:
    """Return the record with the digest.

    Raise DataError if it is not known on which rows the settings were tuned.
    """
    if digest == NOT_SAID or not storage.exists(*layout.seen_rows(digest)):
        raise DataError(
            f"the rows {digest} that settings were tuned on",
            expected="their record, which settings.lock.yaml carries",
            found="none",
            next_step="tune again where tuning is allowed, "
            "commit settings.lock.yaml, and train again",
        )
    return storage.read_record(SeenRows, *layout.seen_rows(digest), digest=digest)


def count_seen(storage: Storage, dataset: Dataset, seen: SeenRows) -> int:
    """Return how many holdout rows of `dataset` may be among the seen ones; 0 is the proof.

    Raise DataError if the two cannot be compared.
    """
    if not _have_equal_keys(dataset, seen) and not _have_equal_time_columns(dataset, seen):
        raise DataError(
            f"the holdout of dataset {dataset.digest[:12]}",
            expected="proof that its settings were not tuned on a row of it, "
            f"but on dataset {seen.dataset[:12]}",
            found=f"{_describe_difference(dataset, seen)}, so that row hashes do not compare",
            next_step="tune again where tuning is allowed, and commit settings.lock.yaml",
        )
    holdout = load_part(storage, dataset, "holdout")
    if _have_equal_time_columns(dataset, seen):
        times = pd.to_datetime(holdout.frame[str(dataset.time_column)])
        return int(
            times.between(pd.Timestamp(str(seen.since)), pd.Timestamp(str(seen.until))).sum()
        )
    beyond = np.array(
        [seen.seen_from.get(str(name), NEVER) for name in _name_classes(dataset, holdout)]
    )
    besides = np.array([int(one, 16) for one in seen.besides], dtype=np.uint64)
    return int(
        ((unit(holdout.hashes, salt="split") >= beyond) | np.isin(holdout.hashes, besides)).sum()
    )


def proof_in_words(dataset: Dataset) -> str:
    """Return a sentence that says what it means that no row of the holdout was seen."""
    by = None if dataset.split is None else dataset.split.by
    used = "that either model was trained or tuned on"
    if by == "group":
        return f"no {dataset.group_column} of the holdout is among those {used}"
    if by == "row" and dataset.target not in dataset.key_columns:
        columns = (
            "its features"
            if set(dataset.key_columns) == set(dataset.columns)
            else ", ".join(dataset.key_columns)
        )
        return (
            f"no row of the holdout is equal in {columns} to one {used}; "
            "rows are proved, not entities"
        )
    return (
        f"no row of the holdout is one {used}; "
        "rows are proved, not entities, which may be known from other rows"
    )


def _start_record(dataset: Dataset) -> SeenRows:
    return SeenRows(dataset=dataset.digest, split=dataset.split, key_columns=dataset.key_columns)


def _name_classes(dataset: Dataset, rows: PartRows) -> NDArray[np.object_]:
    """Return each row's class as text; for a regression, empty texts."""
    names = np.array(dataset.classes or ("",), dtype=object)
    return names[rows.y.astype(np.intp)] if dataset.classes else np.repeat(names, len(rows.y))


def _have_equal_keys(dataset: Dataset, other: Dataset | SeenRows) -> bool:
    same_way = dataset.split is None or other.split is None or dataset.split.by == other.split.by
    return same_way and set(dataset.key_columns) == set(other.key_columns)


def _have_equal_time_columns(dataset: Dataset, seen: SeenRows) -> bool:
    return (
        seen.until is not None
        and dataset.time_column is not None
        and seen.time_column == dataset.time_column
    )


def _describe_difference(dataset: Dataset, other: Dataset | SeenRows) -> str:
    ways = [one.split.by for one in (other, dataset) if one.split is not None]
    if len(set(ways)) > 1:
        return f"rows identified by {ways[0]} there and by {ways[1]} here"
    unequal = sorted(set(dataset.key_columns) ^ set(other.key_columns))
    return f"other source columns ({', '.join(unequal)})"


def _suggest_split(dataset: Dataset, trained_on: Dataset) -> str:
    by_row = all(one.split is not None and one.split.by == "row" for one in (dataset, trained_on))
    if by_row and dataset.target not in (*dataset.key_columns, *trained_on.key_columns):
        key = ", ".join(trained_on.key_columns)
        return (
            f"write `split: {{by: row, key: [{key}]}}` in model.yaml, "
            "which keeps every row's part, and train again"
        )
    return "split by time, so that a later holdout proves itself, or release with an override"
