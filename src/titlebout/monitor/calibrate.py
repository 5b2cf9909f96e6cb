"""From where on a distance is drift: thresholds that all columns together exceed, without any drift, at a stated rate.

A test that takes rows as independent alarms always: on 20,000 rows the weather of one day is "significant". So we ask how far a window
that holds nothing new lies from the reference. Such windows are put together from the reference's own runs of neighbouring days, as many
as the real window has (circular blocks, Politis & Romano 1992), and each meets a reference redrawn in the same way, because the reference
is a sample too. Distances are standardised per column, and the largest of each report sets the thresholds (maxT, Westfall & Young 1993),
so the stated rate is that of the whole report and not that of one column among fifty.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.spec import DataError

Floats = NDArray[np.float64]
RESAMPLES = 4000  # at a rate of 1 % the thresholds follow from the 40th largest, which is off by about a sixth of the rate
RUN_BLOCKS = 7  # a week's days are drawn together: neighbouring days are alike (docs/gate.md has the measurement)
LEAST_RUNS = 8  # in the reference; with few blocks the runs are shorter
MOST_BLOCKS = 500  # more (groups, or independent rows) are put together: nothing is gained by finer ones


class Binned(NamedTuple):
    """One column: the reference's rows per block and bin (blocks, bins), the window's rows per bin (bins,), and its length in blocks."""

    reference: Floats
    window: Floats
    window_blocks: int


class Calibrated(NamedTuple):
    distance: float
    threshold: float


def distance(first: Floats, second: Floats) -> Floats:
    """Jensen-Shannon distance (base 2, so from 0 to 1) of counts or shares along the last axis; empty bins are no trouble."""
    first, second = (counts / counts.sum(axis=-1, keepdims=True) for counts in (first, second))
    middle = (first + second) / 2
    return np.sqrt(np.clip((_divergence(first, middle) + _divergence(second, middle)) / 2, 0, 1))


def calibrate(columns: Sequence[Binned], *, rate: float, seed: int) -> list[Calibrated]:
    """Distance and threshold of each column; without drift, one or more of them exceed it in `rate` of the reports."""
    random = np.random.default_rng(seed)
    draws: dict[tuple[int, int], tuple[Floats, Floats]] = {}
    nothing_new = np.column_stack([_distances_without_drift(column, random, draws) for column in columns])
    middle, spread = nothing_new.mean(axis=0), nothing_new.std(axis=0)
    spread[spread == 0] = 1  # a constant column: its distance is always 0
    largest = ((nothing_new - middle) / spread).max(axis=1)
    thresholds = middle + spread * np.quantile(largest, 1 - rate, method="higher")
    thresholds *= [for_few_runs(len(column.reference), level=rate / len(columns) / 2) for column in columns]
    return [
        Calibrated(float(distance(column.reference.sum(axis=0), column.window)), float(threshold))
        for column, threshold in zip(columns, thresholds, strict=True)
    ]


def block_codes(blocks: NDArray[np.integer] | None, rows: int) -> NDArray[np.intp]:
    """Blocks as codes in their order, at most MOST_BLOCKS; rows without blocks are dealt out in turn."""
    if blocks is None:
        return np.arange(rows, dtype=np.intp) % MOST_BLOCKS
    values, codes = np.unique(blocks, return_inverse=True)
    return np.asarray(codes * min(len(values), MOST_BLOCKS) // len(values), dtype=np.intp)


def window_blocks(blocks: NDArray[np.integer] | None, count: int, *, rows: int, window_rows: int, window_days: int | None) -> int:
    """The window's length in the reference's `count` coded blocks: by its days where blocks are days, else by its rows."""
    if blocks is not None and window_days is not None:
        return max(1, math.ceil(window_days * count / len(np.unique(blocks))))
    return max(1, math.ceil(window_rows * count / rows))


def for_few_runs(blocks: int, *, level: float) -> float:
    """How much wider a one-sided normal quantile must be, because a few weeks' spread is itself uncertain.

    A t quantile of runs−1 degrees of freedom, and the correction for centring on their own mean. Without it, reports on 17 weeks of
    reference alarm three to five times too often (docs/monitoring.md).
    """
    from scipy.special import ndtri, stdtrit

    if blocks < LEAST_RUNS:
        raise DataError(
            "the reference", expected=f"at least {LEAST_RUNS} days or groups", found=str(blocks), next_step="train on a longer window"
        )
    length = _run_length(blocks)
    return float(stdtrit(blocks // length - 1, 1 - level) / ndtri(1 - level) * np.sqrt(blocks / (blocks - length)))


def _run_length(blocks: int) -> int:
    return max(1, min(RUN_BLOCKS, blocks // LEAST_RUNS))


def _distances_without_drift(column: Binned, random: np.random.Generator, draws: dict[tuple[int, int], tuple[Floats, Floats]]) -> Floats:
    """Of RESAMPLES windows as large as the real one; columns of one reference share their draws, as the columns of one window do."""
    blocks, drawn = len(column.reference), column.window_blocks
    if (blocks, drawn) not in draws:
        draws[blocks, drawn] = multiplicities(random, blocks, drawn), multiplicities(random, blocks, blocks)
    windows, references = (multiplicity @ column.reference for multiplicity in draws[blocks, drawn])
    return distance(_thinned(windows, int(column.window.sum()), random), references)


def multiplicities(random: np.random.Generator, blocks: int, drawn: int, *, resamples: int = RESAMPLES) -> Floats:
    """How often each block stands in each resample of `drawn` blocks, (resamples, blocks)."""
    length = min(_run_length(blocks), drawn)
    starts = random.integers(0, blocks, size=(resamples, math.ceil(drawn / length)))
    chosen = ((starts[:, :, None] + np.arange(length)) % blocks).reshape(resamples, -1)[:, :drawn]
    flat = chosen + blocks * np.arange(resamples)[:, None]
    return np.bincount(flat.ravel(), minlength=resamples * blocks).reshape(resamples, blocks).astype(np.float64)


def _thinned(windows: Floats, rows: int, random: np.random.Generator) -> Floats:
    """A window with fewer rows than its blocks had in the reference is as much noisier."""
    totals = windows.sum(axis=1, keepdims=True)
    fewer = random.multinomial(rows, windows / totals).astype(np.float64)
    return np.where(totals > rows, fewer, windows)


def _divergence(shares: Floats, middle: Floats) -> Floats:
    terms = np.zeros_like(shares)
    np.log2(np.divide(shares, middle, out=np.ones_like(shares), where=middle > 0), out=terms, where=shares > 0)
    return np.asarray((shares * terms).sum(axis=-1))
