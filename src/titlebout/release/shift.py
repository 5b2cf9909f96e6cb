"""How far a new release's predictions are from the old one's on the rows that clients sent last: both slots are asked the same."""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from titlebout.release.predeployment import Reply, post
from titlebout.release.recent import recent_rows
from titlebout.rollout.slot_counts import FULL
from titlebout.spec import Record, StorageError
from titlebout.storage import Storage

MOST_ROWS = 500  # a class's share is then known to 0.02
ANSWERED = 200
LEAST_ROWS = 50  # fewer say too little to send the traffic back


class Shift(Record):
    """`before` is the old release, `storage` the address under which its inference table is; `allowed` as `shift_of` measures."""

    model: str
    before: str
    storage: str
    old_url: str
    new_url: str
    allowed: float


def shift_fault(shift: Shift, *, may_refuse: bool, progress: Callable[[str], None]) -> str | None:
    """What is wrong, in words; None if the predictions have stayed near enough, or too few rows are there to tell.

    Rows that the old release answers and the new one does not are a fault, however few, unless it `may_refuse` them.
    """
    try:
        rows = recent_rows(Storage(shift.storage), shift.model, release=shift.before, most=MOST_ROWS)
    except (StorageError, pa.ArrowException) as error:
        progress(f"bake: predictions are not compared between the slots: {error}")
        return None
    if not rows:
        progress("bake: no rows from clients: predictions are not compared between the slots")
        return None
    old, new = (post(f"{url}/predict", rows) for url in (shift.old_url, shift.new_url))
    if old.status == ANSWERED and new.status not in (ANSWERED, *FULL) and not may_refuse:
        return f"the last {len(rows)} rows from clients, which the release before answers, were answered {new.status or 'not at all'}"
    if {old.status, new.status} != {ANSWERED}:
        progress(f"bake: {len(rows)} rows from clients were answered {old.status} and {new.status}: predictions are not compared")
        return None
    return _moved_too_far(shift, _predictions(old), _predictions(new), progress=progress)


def _moved_too_far(shift: Shift, old: Sequence[Any], new: Sequence[Any], *, progress: Callable[[str], None]) -> str | None:
    if len(old) < LEAST_ROWS:
        progress(f"bake: {len(old)} rows from clients, {LEAST_ROWS} needed: predictions are not compared between the slots")
        return None
    found = shift_of(old, new)
    words = f"on the last {len(old)} rows from clients the predictions moved by {found:.2f}, allowed {shift.allowed:g}"
    progress(f"bake: {words}")
    return words if found > shift.allowed else None


def shift_of(old: Sequence[Any], new: Sequence[Any]) -> float:
    """Of classes, by how much the share of any of them changed; of numbers, by how much the mean, in the old ones' standard deviations."""
    if isinstance(old[0], str):
        before, after = Counter(old), Counter(new)
        return max(abs(before[name] - after[name]) for name in before | after) / len(old)
    difference, spread = abs(float(np.mean(new) - np.mean(old))), float(np.std(old))
    return difference / spread if spread > 0 else math.inf if difference > 0 else 0.0


def _predictions(reply: Reply) -> list[Any]:
    return list(json.loads(reply.body)["predictions"])
