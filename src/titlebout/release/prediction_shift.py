"""Measure how far a new release's predictions are from the old one's, on rows that clients sent.

Both slots are asked the same, row by row.
"""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from titlebout.metrics import disagreement
from titlebout.release.predeployment import SlotReply, post
from titlebout.release.recent_requests import Row, recent_rows
from titlebout.release.significance import FALSE_ALARM, REFUSED_MORE, chance_of
from titlebout.rollout import OVERLOADED_STATUSES
from titlebout.spec import Disagreement, Progress, Record, SlotAddress, StorageError
from titlebout.storage import Storage

MOST_ROWS = 500  # the share of rows that moved is then known to 0.04
ANSWERED = 200
LEAST_ROWS = 50  # fewer say too little to send the traffic back
# Consecutive rows without an answer: the probes will say more, and each costs seconds.
MOST_SILENT = 3
Pair = tuple[Row, SlotReply, SlotReply]


class Shift(Record):
    """Describe how the predictions of two slots are compared.

    `before` is the old release; its inference table is under `storage`. `shown` is how far both
    models were apart on the gate's holdout; None if the gate did not compare these two. `allowed`
    is the share of all other predictions that may move.
    """

    model: str
    before: str
    storage: str
    old: SlotAddress
    new: SlotAddress
    allowed: float
    shown: Disagreement | None = None

    @property
    def limit(self) -> float:
        """Return the share of predictions that may move.

        It is the share that the gate accepted, and the allowed share of all others.
        """
        shown = self.shown.share if self.shown else 0.0
        return shown + self.allowed * (1 - shown)


def shift_fault(shift: Shift, *, may_refuse: bool, progress: Progress) -> str | None:
    """Return the fault in words; None if the predictions are near enough, or the rows too few.

    Rows that the old release answers and the new one does not are a fault if chance does not
    explain them, unless it `may_refuse`.
    """
    try:
        rows = recent_rows(
            Storage(shift.storage), shift.model, release=shift.before, most=MOST_ROWS
        )
    except (StorageError, pa.ArrowException) as error:
        progress(f"bake: predictions are not compared between the slots: {error}")
        return None
    if not rows:
        progress("bake: no rows from clients: predictions are not compared between the slots")
        return None
    pairs = [
        pair
        for pair in _ask_both(shift, rows)
        if pair[1].status == ANSWERED and pair[2].status not in (0, *OVERLOADED_STATUSES)
    ]
    lost = [pair for pair in pairs if pair[2].status != ANSWERED]
    if (
        lost
        and not may_refuse
        and chance_of(len(lost), len(pairs), share=REFUSED_MORE) < FALSE_ALARM
    ):
        statuses = ", ".join(sorted({str(reply.status) for _, _, reply in lost}))
        return (
            f"{len(lost)} of {len(pairs)} rows from clients, which the release before answers, "
            f"were answered {statuses}"
        )
    if lost:
        progress(
            f"bake: {len(lost)} of {len(pairs)} rows from clients are not answered as before, "
            "which decides nothing"
        )
    return _distance_fault(
        shift, [pair for pair in pairs if pair[2].status == ANSWERED], progress=progress
    )


def _ask_both(shift: Shift, rows: list[Row]) -> list[Pair]:
    """Return both slots' answers to each row.

    All rows are sent at once, or one by one if a slot does not take them all.
    """
    replies = [_ask(slot, rows) for slot in (shift.old, shift.new)]
    if all(reply.status == ANSWERED for reply in replies):
        old, new = (list(json.loads(reply.body)["predictions"]) for reply in replies)
        single = (
            (_single(replies[0], before), _single(replies[1], now))
            for before, now in zip(old, new, strict=True)
        )
        return [(row, *both) for row, both in zip(rows, single, strict=True)]
    pairs, silent = list[Pair](), 0
    for row in rows:
        pairs.append((row, _ask(shift.old, row), _ask(shift.new, row)))
        silent = silent + 1 if pairs[-1][2].status == 0 else 0
        if silent == MOST_SILENT:
            break
    return pairs


def _ask(slot: SlotAddress, body: Any) -> SlotReply:
    return post(f"{slot.url}/predict", body, secret=slot.secret)


def _single(reply: SlotReply, prediction: Any) -> SlotReply:
    return reply.model_copy(update={"body": json.dumps({"prediction": prediction})})


def _distance_fault(shift: Shift, pairs: Sequence[Pair], *, progress: Progress) -> str | None:
    """Return that more predictions moved than are allowed, or None."""
    if len(pairs) < LEAST_ROWS:
        progress(
            f"bake: {len(pairs)} rows from clients, {LEAST_ROWS} needed: "
            "predictions are not compared between the slots"
        )
        return None
    old = [json.loads(before.body)["prediction"] for _, before, _ in pairs]
    new = [json.loads(now.body)["prediction"] for _, _, now in pairs]
    moved = disagreement(old, new, spread=shift.shown.spread if shift.shown else None)
    reference = (
        f"{shift.shown.share:.2f} in the gate" if shift.shown else "not compared in the gate"
    )
    finding = (
        f"on {len(pairs)} rows from clients {moved:.2f} of the predictions moved; "
        f"{reference}, allowed up to {shift.limit:.2f}"
    )
    progress(f"bake: {finding}")
    return finding if moved > shift.limit else None
