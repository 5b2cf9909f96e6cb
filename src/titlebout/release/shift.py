"""How far a new release's predictions are from the old one's on the rows that clients sent last: both slots are asked the same."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from titlebout.release.predeployment import post
from titlebout.release.recent import recent_rows
from titlebout.spec import Record, StorageError
from titlebout.storage import Storage

MOST_ROWS = 500  # a class's share is then known to 0.02
LEAST_ROWS = 50  # fewer say too little to send the traffic back


class Shift(Record):
    """`before` is the old release, `storage` the address under which its inference table is; `allowed` as `shift_of` measures."""

    model: str
    before: str
    storage: str
    old_url: str
    new_url: str
    allowed: float


def shift_fault(shift: Shift, columns: Iterable[str], *, progress: Callable[[str], None]) -> str | None:
    """What is wrong, in words; None if the predictions have stayed near enough, or too few rows are there to tell."""
    try:
        rows = recent_rows(Storage(shift.storage), shift.model, release=shift.before, columns=list(columns), most=MOST_ROWS)
    except (StorageError, pa.ArrowException) as error:
        progress(f"bake: predictions are not compared between the slots: {error}")
        return None
    old, new = (_predictions(url, rows) for url in (shift.old_url, shift.new_url)) if rows else ([], [])
    if min(len(old), len(new)) < LEAST_ROWS:
        progress(f"bake: {len(rows)} rows from clients, {LEAST_ROWS} needed: predictions are not compared between the slots")
        return None
    found = shift_of(old, new)
    words = f"on the last {len(rows)} rows from clients the predictions moved by {found:.2f}, allowed {shift.allowed:g}"
    progress(f"bake: {words}")
    return words if found > shift.allowed else None


def shift_of(old: Sequence[Any], new: Sequence[Any]) -> float:
    """Of classes, by how much the share of any of them changed; of numbers, by how much the mean, in the old ones' standard deviations."""
    if isinstance(old[0], str):
        before, after = Counter(old), Counter(new)
        return max(abs(before[name] - after[name]) for name in before | after) / len(old)
    difference, spread = abs(float(np.mean(new) - np.mean(old))), float(np.std(old))
    return difference / spread if spread > 0 else math.inf if difference > 0 else 0.0


def _predictions(url: str, rows: list[dict[str, Any]]) -> list[Any]:
    """Empty if the slot does not answer: that is told by the probes, or, of the old slot, no fault of the new one."""
    reply = post(f"{url}/predict", rows)
    return list(json.loads(reply.body)["predictions"]) if reply.status == 200 else []
