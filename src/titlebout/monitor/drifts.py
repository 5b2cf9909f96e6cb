"""Each column and the predictions: the window's distribution against the reference's."""

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from titlebout.data import Frame
from titlebout.monitor.bins import Bins, Kind, bins_of
from titlebout.monitor.calibrate import Binned, Calibrated, Floats, block_codes, calibrate, window_blocks
from titlebout.monitor.reference import Reference, predicted
from titlebout.serve.inference_table import feature_column
from titlebout.spec import Drift

DIGITS = 6  # of shares and distances in the record


class Compared(NamedTuple):
    name: str
    kind: Literal["column", "prediction"]
    bins: Bins
    binned: Binned


def find_drifts(reference: Reference, window: pd.DataFrame, *, days: int, rate: float, seed: int) -> tuple[Drift, ...]:
    """The predictions first, then the columns, those furthest beyond their threshold first."""
    compared = [_predictions(reference, window, days=days if reference.by_day else None)]
    for column in reference.contract.inputs:
        served = window[feature_column(column.name)]
        known = reference.train.frame[column.name]
        binned = _binned(bins_of(known, column.type), known, served, reference.train, days=days if reference.by_day else None)
        compared.append(Compared(column.name, "column", *binned))
    calibrated = calibrate([one.binned for one in compared], rate=rate, seed=seed)
    drifts = [_drift(one, found) for one, found in zip(compared, calibrated, strict=True)]
    return (drifts[0], *sorted(drifts[1:], key=lambda drift: (drift.threshold - drift.distance, drift.name)))


def _predictions(reference: Reference, window: pd.DataFrame, *, days: int | None) -> Compared:
    kind: Kind = "category" if reference.contract.task == "multiclass" else "number"
    served = window["prediction" if kind == "category" else "score"]
    known = predicted(reference.contract, reference.scores)
    return Compared("prediction", "prediction", *_binned(bins_of(known, kind), known, served, reference.unseen, days=days))


def _binned(bins: Bins, known: "pd.Series[Any]", served: "pd.Series[Any]", part: Frame, *, days: int | None) -> tuple[Bins, Binned]:
    blocks = block_codes(part.blocks, len(known))
    count = int(blocks.max()) + 1
    cells = np.bincount(blocks * len(bins.names) + bins.codes(known), minlength=count * len(bins.names))
    window = np.bincount(bins.codes(served), minlength=len(bins.names)).astype(np.float64)
    length = window_blocks(part.blocks, count, rows=len(known), window_rows=len(served), window_days=days)
    return bins, Binned(cells.reshape(count, -1).astype(np.float64), window, length)


def _drift(one: Compared, found: Calibrated) -> Drift:
    return Drift(
        name=one.name,
        kind=one.kind,
        distance=round(found.distance, DIGITS),
        threshold=round(found.threshold, DIGITS),
        drifted=found.distance > found.threshold,
        bins=one.bins.names,
        reference=_shares(one.binned.reference.sum(axis=0)),
        window=_shares(one.binned.window),
    )


def _shares(counts: Floats) -> tuple[float, ...]:
    return tuple(round(float(share), DIGITS) for share in counts / counts.sum())
