"""Compare each column and the predictions: the window's distribution against the reference's."""

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data import Codes
from titlebout.monitor.bins import Bins, Kind, make_bins
from titlebout.monitor.calibrate import (
    LEAST_BLOCKS,
    Binned,
    Calibrated,
    Floats,
    block_codes,
    calibrate,
    distance,
    window_blocks,
)
from titlebout.monitor.reference import Reference, compared_values
from titlebout.serve import feature_column
from titlebout.spec import Drift

DIGITS = 6  # of shares and distances in the record
# A test that would miss half of the rows moving to an empty bin cannot say that nothing drifted.
LARGE_CHANGE = 0.5
LONGER = (2, 4, 8, 16)  # times the window's length: how much longer a window is tried


class DriftFindings(NamedTuple):
    """Hold the drifts, and what is needed to tell more.

    `drifts` has the predictions first, then the columns furthest beyond their threshold.
    """

    drifts: tuple[Drift, ...]
    cannot_tell: tuple[str, ...]


class ComparedColumn(NamedTuple):
    """Hold one column, or the predictions, with its bins and counts."""

    name: str
    kind: Literal["column", "prediction"]
    bins: Bins
    binned: Binned

    @property
    def blocks(self) -> int:
        """Return the number of the reference's blocks."""
        return len(self.binned.reference)

    @property
    def enough(self) -> bool:
        """Tell whether the reference has blocks enough for a threshold."""
        return self.blocks >= LEAST_BLOCKS


def find_drifts(
    reference: Reference, window: pd.DataFrame, *, days: int, rate: float, seed: int
) -> DriftFindings:
    """Test each column and the predictions.

    Without drift, one or more of them alarm in `rate` of the reports. `days` is the window's
    length.
    """
    compared = [_predictions(reference, window, days=days), *_columns(reference, window, days=days)]
    calibrated = iter(
        calibrate([one.binned for one in compared if one.enough], rate=rate, seed=seed)
    )
    drifts = [_drift(one, next(calibrated) if one.enough else None) for one in compared]
    days_or_none = days if reference.by_day else None
    cannot_tell = _cannot_tell(
        compared, drifts, days=days_or_none, level=rate / len(compared), seed=seed
    )
    return DriftFindings(
        (drifts[0], *sorted(drifts[1:], key=lambda drift: (-excess_distance(drift), drift.name))),
        cannot_tell,
    )


def excess_distance(drift: Drift) -> float:
    """Return how far the distance is beyond its threshold; minus infinity where there is none."""
    return -np.inf if drift.threshold is None else drift.distance - drift.threshold


def _columns(reference: Reference, window: pd.DataFrame, *, days: int) -> list[ComparedColumn]:
    newest = window["time"].max()
    found = []
    for column in reference.contract.inputs:
        known = reference.train.frame[column.name]
        bins = make_bins(
            known,
            column.type,
            blocks=reference.blocks_of(reference.train) if reference.by_day else None,
            newest=newest,
        )
        binned = _binned(
            bins,
            window[feature_column(column.name)],
            reference.blocks_of(reference.train),
            days=days if reference.by_day else None,
        )
        found.append(ComparedColumn(column.name, "column", bins, binned))
    return found


def _predictions(reference: Reference, window: pd.DataFrame, *, days: int) -> ComparedColumn:
    kind: Kind = "category" if reference.contract.task == "multiclass" else "number"
    served = window["prediction" if kind == "category" else "score"]
    known = compared_values(reference.contract, reference.scores)
    bins = make_bins(
        known, kind, blocks=reference.blocks_of(reference.unseen) if reference.by_day else None
    )
    return ComparedColumn(
        "prediction",
        "prediction",
        bins,
        _binned(
            bins,
            served,
            reference.blocks_of(reference.unseen),
            days=days if reference.by_day else None,
        ),
    )


def _binned(
    bins: Bins, served: "pd.Series[Any]", known: Codes | None, *, days: int | None
) -> Binned:
    """Count the rows of each block and bin. `known` are the reference's blocks (None: none)."""
    rows, width = len(bins.reference), len(bins.names)
    blocks = block_codes(known, rows)
    count = int(blocks.max()) + 1
    cells = np.bincount(blocks * width + bins.reference, minlength=count * width)
    window = np.bincount(bins.codes(served), minlength=width).astype(np.float64)
    length = window_blocks(known, count, rows=rows, window_rows=len(served), window_days=days)
    return Binned(cells.reshape(count, -1).astype(np.float64), window, length)


def _drift(one: ComparedColumn, found: Calibrated | None) -> Drift:
    reference = one.binned.reference
    far = (
        float(distance(reference.sum(axis=0), one.binned.window))
        if found is None
        else found.distance
    )
    change = None if found is None else found.smallest_change
    return Drift(
        name=one.name,
        kind=one.kind,
        distance=round(far, DIGITS),
        threshold=None if found is None else round(found.threshold, DIGITS),
        smallest_change=change,
        drifted=found is not None and found.distance > found.threshold,
        can_tell=change is not None and change <= LARGE_CHANGE,
        bins=one.bins.names,
        reference=_shares(reference.sum(axis=0)),
        window=_shares(one.binned.window),
    )


def _cannot_tell(
    compared: list[ComparedColumn],
    drifts: list[Drift],
    *,
    days: int | None,
    level: float,
    seed: int,
) -> tuple[str, ...]:
    """Say which tests could not have alarmed, and what they need. Those that alarmed could."""
    blind = [
        (one, drift)
        for one, drift in zip(compared, drifts, strict=True)
        if not (drift.can_tell or drift.drifted)
    ]
    short = [one for one, _ in blind if not one.enough]
    wide = [(one, drift) for one, drift in blind if one.enough]
    texts = []
    if short:
        least = min(one.blocks for one in short)
        texts.append(
            f"{_names(short)}: the reference has {least} days or groups, "
            f"and at least {LEAST_BLOCKS} are needed: train on a longer window"
        )
    if wide:
        hardest = max(wide, key=lambda both: both[1].threshold or 0.0)[0]
        needed = _needed(hardest, days=days, level=level, seed=seed)
        texts.append(
            f"{_names([one for one, _ in wide])}: "
            f"even if {LARGE_CHANGE:.0%} of the rows were new, it would not be seen: {needed}"
        )
    return tuple(texts)


def _needed(one: ComparedColumn, *, days: int | None, level: float, seed: int) -> str:
    """Try longer windows of the same traffic, until a large change would be seen."""
    reference, window, length = one.binned
    for times in LONGER:
        (found,) = calibrate(
            [Binned(reference, window * times, length * times)], rate=level, seed=seed
        )
        if found.smallest_change is not None and found.smallest_change <= LARGE_CHANGE:
            on_days = "" if days is None else f" on {days * times} days"
            return f"wait for about {int(window.sum()) * times:,} predictions{on_days}"
    return "train on a longer window: its days or groups tell too little of how they differ"


def _names(some: list[ComparedColumn]) -> str:
    return ", ".join("the predictions" if one.kind == "prediction" else one.name for one in some)


def _shares(counts: Floats) -> tuple[float, ...]:
    return tuple(round(float(share), DIGITS) for share in counts / counts.sum())
