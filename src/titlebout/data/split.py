"""Split into train, validation and holdout: by time, or by a stable hash of the row's features or of its group.

By hash, a row keeps its part in every later version of the dataset, small or large: a row of train or validation never becomes one of
the holdout because others came (`benchmarks/growing_tables.py`). A part that would stay too small, or without a class, takes the rows
with the smallest hashes: more rows can only take some of them back to train.
"""

from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from titlebout.data.hashes import Hashes, unit
from titlebout.spec import PART_NAMES, DataError, Split

TRAIN, VALIDATION, HOLDOUT = range(3)
MINIMUM_ROWS = 30  # eight rows to judge by and five to choose by then leave 17 to train on
# Different rows or groups that a part has at least, if there are enough: the gate needs eight to compare two models.
LEAST_HOLDOUT, LEAST_VALIDATION = 8, 5
LEAST_BLOCKS = 2 * LEAST_HOLDOUT  # with fewer no bout can be held, and no Champion lose its proof
LEAST_DAYS = 5  # borders between so many days or more are off their share by a tenth of the rows at most, where days are alike
DAY = 86_400_000_000  # microseconds

Parts = NDArray[np.int8]


class SplitInput(NamedTuple):
    """What a split may look at: per row the hash of its features, its class code (None for regression), its time (microseconds) and the
    hash of its group."""

    hashes: Hashes
    classes: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    times: NDArray[np.int64] | None
    groups: Hashes | None

    def take(self, chosen: NDArray[np.bool_]) -> "SplitInput":
        """Return the chosen rows."""
        return SplitInput(
            hashes=self.hashes[chosen],
            classes=None if self.classes is None else self.classes[chosen],
            class_names=self.class_names,
            times=None if self.times is None else self.times[chosen],
            groups=None if self.groups is None else self.groups[chosen],
        )


def split(rows: SplitInput, how: Split, *, subject: str) -> Parts:
    """Return one part code per row; raises DataError if a part would be empty or a class missing from train."""
    if len(rows.hashes) < MINIMUM_ROWS:
        raise _too_small(
            subject,
            f"at least {MINIMUM_ROWS} rows",
            f"{len(rows.hashes)} rows",
            "take in more rows: a longer window or another source",
        )
    if how.by == "time":
        parts = _by_time(cast("NDArray[np.int64]", rows.times), how, subject=subject)
    else:
        parts = _by_hash(
            cast("Hashes", rows.groups) if how.by == "group" else rows.hashes,
            rows.classes,
            how,
            subject=subject,
        )
    _check(parts, rows, how.by, subject=subject)
    return parts


def holdout_begins(times: NDArray[np.int64], how: Split, *, subject: str) -> int:
    """Return the time from which on a split by time holds rows out; raises DataError for too few times."""
    return _borders(times, how, subject=subject)[1]


def _by_time(times: NDArray[np.int64], how: Split, *, subject: str) -> Parts:
    validation, holdout = _borders(times, how, subject=subject)
    return np.asarray((times >= validation).astype(np.int8) + (times >= holdout), dtype=np.int8)


def _borders(times: NDArray[np.int64], how: Split, *, subject: str) -> tuple[int, int]:
    """Return where validation and holdout begin: at the borders nearest to their shares that tear no day apart.

    Rows of a day hang together and count as one block. Only a table of very few days is cut between two times of a day.
    """
    days = times // DAY * DAY
    distinct, counts = np.unique(
        days if len(np.unique(days)) >= LEAST_DAYS else times, return_counts=True
    )
    if len(distinct) < len(PART_NAMES):
        raise _too_small(
            subject,
            f"at least {len(PART_NAMES)} different times",
            f"{len(distinct)}",
            "split by row, or name another time_column",
        )
    shares = np.concatenate([[0.0], np.cumsum(counts)]) / len(times)
    holdout = _nearest(shares, 1 - how.holdout, first=2, last=len(distinct) - 1)
    validation = _nearest(shares, 1 - how.holdout - how.validation, first=1, last=holdout - 1)
    return int(distinct[validation]), int(distinct[holdout])


def _nearest(shares: NDArray[np.float64], wanted: float, *, first: int, last: int) -> int:
    return first + int(np.argmin(np.abs(shares[first : last + 1] - wanted)))


def _by_hash(
    hashes: Hashes, classes: NDArray[np.int64] | None, how: Split, *, subject: str
) -> Parts:
    """Return the parts of blocks of equal hashes: by fixed thresholds on the hash, then what small parts and classes lack."""
    distinct, block = np.unique(hashes, return_inverse=True)
    if (count := len(distinct)) < len(PART_NAMES):
        expected = (
            f"at least {len(PART_NAMES)} groups"
            if how.by == "group"
            else "different rows in every part"
        )
        raise _too_small(
            subject,
            expected,
            f"{count}",
            "take in more rows, or name another group_column or split.key",
        )
    places = unit(distinct, salt="split")
    of_class = (
        [np.unique(block[classes == code]) for code in np.unique(classes)]
        if classes is not None
        else [np.arange(count)]
    )
    for_train = np.zeros(count, dtype=np.bool_)
    for_train[[members[np.argmax(places[members])] for members in of_class]] = True
    parts = (
        (places < how.holdout + how.validation).astype(np.int8) + (places < how.holdout)
    ).astype(np.int8)
    parts[for_train] = TRAIN
    order = np.argsort(places, kind="stable")
    free = order[~for_train[order]]
    _fill(
        parts,
        HOLDOUT,
        free[parts[free] < HOLDOUT],
        of_class,
        least=LEAST_HOLDOUT if count >= LEAST_BLOCKS else max(1, count // 5),
    )
    _fill(
        parts,
        VALIDATION,
        free[parts[free] < VALIDATION],
        of_class,
        least=max(1, min(LEAST_VALIDATION, count // 5)),
    )
    for members in of_class:
        held = free[np.isin(free, members) & (parts[free] == HOLDOUT)]
        if (
            len(held) > 1 and not (parts[members] == VALIDATION).any()
        ):  # all its hashes are small, or nearly all rows are asked for
            parts[held[-1]] = VALIDATION
    return parts[block]


def _fill(
    parts: Parts, code: int, free: NDArray[np.intp], of_class: list[NDArray[np.intp]], *, least: int
) -> None:
    """Take free blocks into the part, the smallest hashes first, until it has `least` of them and one of every class."""
    parts[free[: max(0, least - int((parts == code).sum()))]] = code
    for members in of_class:
        if not (parts[members] == code).any():
            parts[free[np.isin(free, members)][:1]] = code


def _check(
    parts: Parts, rows: SplitInput, by: Literal["time", "group", "row"], *, subject: str
) -> None:
    next_step = "split by row, move the window, or take in more rows"
    for code, name in enumerate(PART_NAMES):
        if not (parts == code).any():
            raise _too_small(subject, f"rows in {name}", f"none after the split by {by}", next_step)
    if rows.classes is None:
        return
    there = {
        name: {rows.class_names[code] for code in np.unique(rows.classes[parts == part])}
        for part, name in enumerate(PART_NAMES)
    }
    if lost := sorted(set(rows.class_names) - there["train"]):
        raise _too_small(
            subject,
            "every class in train",
            f"{', '.join(map(repr, lost))} in later parts only, after the split by {by}",
            next_step,
        )
    for name, found in there.items():
        if len(found) < 2:
            raise _too_small(
                subject,
                f"at least two classes in {name}",
                f"only {min(found)!r} after the split by {by}",
                next_step,
            )


def _too_small(subject: str, expected: str, found: str, next_step: str) -> DataError:
    return DataError(subject, expected=expected, found=found, next_step=next_step)
