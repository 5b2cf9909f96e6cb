"""Split into train, validation and holdout, by time or by a stable hash.

The hash is of the row's features or of its group.
By hash, a row keeps its part in every later version of the dataset, small or large.
A row of train or validation never moves to the holdout because rows are added
(`benchmarks/growing_tables.py`).

A part that would stay too small, or without a class, takes the rows with the smallest hashes.
More rows can only move some of them back to train.
"""

from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from titlebout.data.hashes import Hashes, unit
from titlebout.spec import PART_NAMES, DataError, Split

TRAIN, VALIDATION, HOLDOUT = range(3)
MINIMUM_ROWS = 30  # eight rows for the holdout and five for validation leave 17 to train on
# Different rows or groups that a part has at least, if there are enough.
LEAST_HOLDOUT = 8  # the gate needs so many to compare two models
LEAST_VALIDATION = 5
LEAST_BLOCKS = 2 * LEAST_HOLDOUT  # with fewer, the gate cannot compare, so no proof is lost
# With so many days of equal size, a border between days misses its share by a tenth at most.
LEAST_DAYS = 5
DAY_MICROSECONDS = 86_400_000_000

Parts = NDArray[np.int8]


class SplitInput(NamedTuple):
    """Hold what a split may look at. Each array has one element per row.

    `hashes` are those of the features, `groups` those of the groups.
    `classes` holds class codes, or is None for regression. `times` are in microseconds.
    """

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
    """Return one part code per row.

    Raise DataError if a part would be empty, or if train would lack a class.
    """
    if len(rows.hashes) < MINIMUM_ROWS:
        raise _too_small(
            subject,
            f"at least {MINIMUM_ROWS} rows",
            f"{len(rows.hashes)} rows",
            "take in more rows: a longer window or another source",
        )
    if how.by == "time":
        parts = _split_by_time(cast("NDArray[np.int64]", rows.times), how, subject=subject)
    else:
        parts = _split_by_hash(
            cast("Hashes", rows.groups) if how.by == "group" else rows.hashes,
            rows.classes,
            how,
            subject=subject,
        )
    _check(parts, rows, how.by, subject=subject)
    return parts


def holdout_begins(times: NDArray[np.int64], how: Split, *, subject: str) -> int:
    """Return the time at which the holdout of a split by time begins, in microseconds.

    Raise DataError if there are too few different times.
    """
    return _find_borders(times, how, subject=subject)[1]


def _split_by_time(times: NDArray[np.int64], how: Split, *, subject: str) -> Parts:
    validation, holdout = _find_borders(times, how, subject=subject)
    return np.asarray((times >= validation).astype(np.int8) + (times >= holdout), dtype=np.int8)


def _find_borders(times: NDArray[np.int64], how: Split, *, subject: str) -> tuple[int, int]:
    """Return where validation and holdout begin: at the borders of days nearest to their shares.

    Rows of a day depend on each other and count as one block.
    Only a table of very few days is cut between two times of a day.
    """
    days = times // DAY_MICROSECONDS * DAY_MICROSECONDS
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
    holdout = _find_nearest(shares, 1 - how.holdout, first=2, last=len(distinct) - 1)
    validation = _find_nearest(shares, 1 - how.holdout - how.validation, first=1, last=holdout - 1)
    return int(distinct[validation]), int(distinct[holdout])


def _find_nearest(shares: NDArray[np.float64], wanted: float, *, first: int, last: int) -> int:
    return first + int(np.argmin(np.abs(shares[first : last + 1] - wanted)))


def _split_by_hash(
    hashes: Hashes, classes: NDArray[np.int64] | None, how: Split, *, subject: str
) -> Parts:
    """Return the parts of blocks of equal hashes, by fixed thresholds on the hash.

    Then small parts, and parts without a class, take the blocks that they lack.
    """
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
    numbers = unit(distinct, salt="split")
    of_class = (
        [np.unique(block[classes == code]) for code in np.unique(classes)]
        if classes is not None
        else [np.arange(count)]
    )
    for_train = np.zeros(count, dtype=np.bool_)
    for_train[[members[np.argmax(numbers[members])] for members in of_class]] = True
    parts = (
        (numbers < how.holdout + how.validation).astype(np.int8) + (numbers < how.holdout)
    ).astype(np.int8)
    parts[for_train] = TRAIN
    order = np.argsort(numbers, kind="stable")
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
        # All its hashes are small, or validation and holdout ask for nearly all rows.
        if len(held) > 1 and not (parts[members] == VALIDATION).any():
            parts[held[-1]] = VALIDATION
    return parts[block]


def _fill(
    parts: Parts, code: int, free: NDArray[np.intp], of_class: list[NDArray[np.intp]], *, least: int
) -> None:
    """Move free blocks into the part until it has `least` of them and one of every class.

    The blocks with the smallest hashes come first.
    """
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
    present = {
        name: {rows.class_names[code] for code in np.unique(rows.classes[parts == part])}
        for part, name in enumerate(PART_NAMES)
    }
    if lost := sorted(set(rows.class_names) - present["train"]):
        raise _too_small(
            subject,
            "every class in train",
            f"{', '.join(map(repr, lost))} in later parts only, after the split by {by}",
            next_step,
        )
    for name, found in present.items():
        if len(found) < 2:
            raise _too_small(
                subject,
                f"at least two classes in {name}",
                f"only {min(found)!r} after the split by {by}",
                next_step,
            )


def _too_small(subject: str, expected: str, found: str, next_step: str) -> DataError:
    return DataError(subject, expected=expected, found=found, next_step=next_step)
