"""Split into train, validation and holdout: by time, or by a stable hash of the row or of its group.

By hash, a row keeps its part in every later version of the dataset. Small strata (a class, or all groups, of fewer than RANKED_BELOW)
are ranked by their hash instead, so that every part gets its share of every class even of 30 rows. What that costs: when a small
stratum grows, rows near the borders between the ranks may change their part.
"""

from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from titlebout.data.hashes import Hashes, unit
from titlebout.spec import PART_NAMES, DataError, Split

TRAIN, VALIDATION, HOLDOUT = range(3)
# A threshold on the hash gives a part its share ± sqrt(share × (1 − share) / rows): for 0.15 of 400 rows ± 0.018. Below, ranks are exact.
RANKED_BELOW = 400
MINIMUM_ROWS = 30  # a holdout of six rows is the least that any comparison can be made on

Parts = NDArray[np.int8]


class Rows(NamedTuple):
    """What a split may look at: per row its hash, its class code (None for regression), its time and the hash of its group."""

    hashes: Hashes
    classes: NDArray[np.int64] | None
    class_names: tuple[str, ...]
    times: NDArray[np.int64] | None
    groups: Hashes | None

    def take(self, chosen: NDArray[np.bool_]) -> "Rows":
        return Rows(
            hashes=self.hashes[chosen],
            classes=None if self.classes is None else self.classes[chosen],
            class_names=self.class_names,
            times=None if self.times is None else self.times[chosen],
            groups=None if self.groups is None else self.groups[chosen],
        )


def split(rows: Rows, how: Split, *, subject: str) -> Parts:
    """One part code per row; raises DataError if a part would be empty or a class missing from train."""
    if len(rows.hashes) < MINIMUM_ROWS:
        raise _too_small(
            subject, f"at least {MINIMUM_ROWS} rows", f"{len(rows.hashes)} rows", "take in more rows: a longer window or another source"
        )
    if how.by == "time":
        parts = _by_time(cast("NDArray[np.int64]", rows.times), how, subject=subject)
    elif how.by == "group":
        parts = _by_group(cast("Hashes", rows.groups), how, subject=subject)
    else:
        parts = _by_row(rows, how)
    _check(parts, rows, how.by, subject=subject)
    return parts


def cost(rows: Rows, how: Split) -> tuple[str, ...]:
    """In words, what this split costs: which strata were small enough to be ranked."""
    if how.by == "time":
        return ()
    if how.by == "group":
        sizes = np.array([len(np.unique(cast("Hashes", rows.groups)))])
    else:
        sizes = np.array([len(rows.hashes)]) if rows.classes is None else np.bincount(rows.classes)
    if (small := int((sizes < RANKED_BELOW).sum())) == 0:
        return ()
    what = "groups" if how.by == "group" else "rows"
    whom = "the table has" if len(sizes) == 1 else f"{small} of {len(sizes)} classes have"
    return (f"{whom} fewer than {RANKED_BELOW} {what}, split by rank: when more come, single {what} may change their part",)


def trained_rows(parts: Parts, hashes: Hashes) -> NDArray[np.bool_]:
    """Rows of validation and holdout that are in train too, and of holdout that are in validation: they must be dropped."""
    in_train = np.isin(hashes, hashes[parts == TRAIN])
    in_validation = np.isin(hashes, hashes[parts == VALIDATION])
    return np.asarray(((parts != TRAIN) & in_train) | ((parts == HOLDOUT) & in_validation))


def _by_time(times: NDArray[np.int64], how: Split, *, subject: str) -> Parts:
    """The borders nearest to the shares that lie between two different times, so that rows of one time stay together."""
    distinct, counts = np.unique(times, return_counts=True)
    if len(distinct) < len(PART_NAMES):
        raise _too_small(
            subject, f"at least {len(PART_NAMES)} different times", f"{len(distinct)}", "split by row, or name another time_column"
        )
    shares = np.concatenate([[0.0], np.cumsum(counts)]) / len(times)
    holdout = _nearest(shares, 1 - how.holdout, first=2, last=len(distinct) - 1)
    validation = _nearest(shares, 1 - how.holdout - how.validation, first=1, last=holdout - 1)
    return np.asarray((times >= distinct[validation]).astype(np.int8) + (times >= distinct[holdout]), dtype=np.int8)


def _nearest(shares: NDArray[np.float64], wanted: float, *, first: int, last: int) -> int:
    return first + int(np.argmin(np.abs(shares[first : last + 1] - wanted)))


def _by_row(rows: Rows, how: Split) -> Parts:
    parts = np.empty(len(rows.hashes), dtype=np.int8)
    strata = rows.classes if rows.classes is not None else np.zeros(len(rows.hashes), dtype=np.int64)
    for stratum in np.unique(strata):
        members = strata == stratum
        parts[members] = _hashed(rows.hashes[members], how)
    return parts


def _by_group(groups: Hashes, how: Split, *, subject: str) -> Parts:
    if (distinct := len(np.unique(groups))) < len(PART_NAMES):
        raise _too_small(subject, f"at least {len(PART_NAMES)} groups", f"{distinct}", "split by row, or name another group_column")
    return _hashed(groups, how)


def _hashed(hashes: Hashes, how: Split) -> Parts:
    """Equal hashes get equal parts."""
    distinct, inverse = np.unique(hashes, return_inverse=True)
    places = unit(distinct, salt="split")
    if len(distinct) < RANKED_BELOW:
        places = _ranked(places, how)
    parts = (places < how.holdout + how.validation).astype(np.int8) + (places < how.holdout)
    return parts.astype(np.int8)[inverse]


def _ranked(places: NDArray[np.float64], how: Split) -> NDArray[np.float64]:
    """In the order of the hashes: holdout, then validation get their rounded share, at least one each if one is left to train on."""
    count = len(places)
    holdout = min(max(round(how.holdout * count), 1), max(count - 2, count // 2))
    validation = min(max(round(how.validation * count), 1), count - 1 - holdout)
    borders = np.repeat([0.0, how.holdout, how.holdout + how.validation], [holdout, validation, count - holdout - validation])
    ranked = np.empty(count)
    ranked[np.argsort(places, kind="stable")] = borders
    return ranked


def _check(parts: Parts, rows: Rows, by: Literal["time", "group", "row"], *, subject: str) -> None:
    mend = "split by row, move the window, or take in more rows"
    for code, name in enumerate(PART_NAMES):
        if not (parts == code).any():
            raise _too_small(subject, f"rows in {name}", f"none after the split by {by}", mend)
    if rows.classes is None:
        return
    there = {name: {rows.class_names[code] for code in np.unique(rows.classes[parts == part])} for part, name in enumerate(PART_NAMES)}
    if lost := sorted(set(rows.class_names) - there["train"]):
        raise _too_small(
            subject, "every class in train", f"{', '.join(map(repr, lost))} in later parts only, after the split by {by}", mend
        )
    for name, found in there.items():
        if len(found) < 2:
            raise _too_small(subject, f"at least two classes in {name}", f"only {min(found)!r} after the split by {by}", mend)


def _too_small(subject: str, expected: str, found: str, next_step: str) -> DataError:
    return DataError(subject, expected=expected, found=found, next_step=next_step)
