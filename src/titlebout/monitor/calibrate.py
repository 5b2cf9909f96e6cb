"""Set thresholds on distances, so that without drift all columns together alarm at a stated rate.

A test that takes rows as independent always alarms: on 20,000 rows the weather of one day is
"significant". So we measure how far a window without drift lies from the reference.

Such windows are put together from the reference's own runs of neighbouring days, as many as the
real window has (circular blocks, Politis & Romano 1992). Each gets as many rows as the real window.
Each is compared with a reference that is redrawn in the same way, because the reference is a sample
too.

Distances are standardised per column. The largest of each report sets the thresholds (maxT,
Westfall & Young 1993). So the stated rate is that of the whole report, and not of one column among
fifty.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]
# At a rate of 1 % the thresholds follow from the 40th largest. That is off by about a sixth of the
# rate.
RESAMPLES = 4000
# A week's days are drawn together: neighbouring days are alike (measured in docs/gate.md).
RUN_BLOCKS = 7
# With fewer in the reference nothing is known of how blocks differ. With few, runs are shorter.
LEAST_BLOCKS = 8
# More (groups, or independent rows) are put together: finer ones gain nothing.
MOST_BLOCKS = 500
LEAST_TAIL = 10  # resamples beyond the quantile that sets a column's scale
# How blocks differ is an estimate. Its upper bound counts where the window has more rows to a block
# than the reference. With 8 rows a day in the reference and 1,000 in the window, reports alarmed
# three times too often without it (docs/drift.md).
CAUTION_Z = 3.0
SMALLEST_SCALE = 1e-6  # of distances, as the record keeps them
# This share of a window's rows may hold values that the reference never had: typos, rare values.
UNSEEN_SHARE = 0.005
UNSEEN_PART = 0.1  # of the rate of false alarms, for more such rows than that


class Binned(NamedTuple):
    """Hold one column's counts: the reference's rows per block and bin, the window's rows per bin.

    The shapes are (blocks, bins) and (bins,). `window_blocks` is the window's length in blocks.
    """

    reference: Floats
    window: Floats
    window_blocks: int


class Calibrated(NamedTuple):
    """Hold a column's distance, its threshold, and the smallest change that it would find.

    `smallest_change` is the share of rows that must move to where the reference has fewest for an
    alarm. It is None if even all of them are too few: `threshold` may be beyond every possible
    distance, and such a test cannot alarm.
    """

    distance: float
    threshold: float
    smallest_change: float | None


def distance(first: Floats, second: Floats) -> Floats:
    """Return the Jensen-Shannon distance of counts or shares along the last axis.

    It is to base 2, so from 0 to 1. Bins may be empty.
    """
    first, second = np.broadcast_arrays(
        *(counts / counts.sum(axis=-1, keepdims=True) for counts in (first, second))
    )
    middle = (first + second) / 2
    return np.sqrt(np.clip((_divergence(first, middle) + _divergence(second, middle)) / 2, 0, 1))


def calibrate(columns: Sequence[Binned], *, rate: float, seed: int) -> list[Calibrated]:
    """Return distance and threshold of each column.

    Without drift, one or more of them exceed it in `rate` of the reports. Each column's reference
    must have at least LEAST_BLOCKS blocks.
    """
    if not columns:
        return []
    random = np.random.default_rng(seed)
    draws: dict[tuple[int, int], tuple[Floats, Floats]] = {}
    without_drift = np.column_stack(
        [_distances_without_drift(column, random, draws) for column in columns]
    )
    middle, spread = without_drift.mean(axis=0), _scale(without_drift, level=rate / len(columns))
    largest = ((without_drift - middle) / spread).max(axis=1)
    thresholds = middle + spread * np.quantile(largest, 1 - rate, method="higher")
    thresholds *= [
        few_runs_factor(len(column.reference), level=rate / len(columns) / 2) for column in columns
    ]
    found = []
    for column, threshold in zip(columns, thresholds, strict=True):
        tolerated = _tolerated_rows(column, level=UNSEEN_PART * rate / len(columns))
        far = distance(column.reference.sum(axis=0), _remove_tolerated(column, tolerated))
        found.append(
            Calibrated(
                float(far),
                float(threshold),
                _smallest_change(column, float(threshold), tolerated=tolerated),
            )
        )
    return found


def block_codes(blocks: NDArray[np.integer] | None, rows: int) -> NDArray[np.intp]:
    """Return blocks as codes in their order, at most MOST_BLOCKS, shape (rows,).

    Rows without blocks are distributed over blocks, two or more to each.
    """
    if blocks is None:
        return np.arange(rows, dtype=np.intp) % max(1, min(MOST_BLOCKS, rows // 2))
    values, codes = np.unique(blocks, return_inverse=True)
    return np.asarray(codes * min(len(values), MOST_BLOCKS) // len(values), dtype=np.intp)


def window_blocks(
    blocks: NDArray[np.integer] | None,
    count: int,
    *,
    rows: int,
    window_rows: int,
    window_days: int | None,
) -> int:
    """Return the window's length in the reference's `count` coded blocks.

    It goes by the window's days where blocks are days, else by its rows.
    """
    if blocks is not None and window_days is not None:
        return max(1, math.ceil(window_days * count / len(np.unique(blocks))))
    return max(1, math.ceil(window_rows * count / rows))


def few_runs_factor(blocks: int, *, level: float) -> float:
    """Return how much wider a one-sided normal quantile must be where runs are few.

    The spread of a few weeks is itself uncertain. The factor is a t quantile of runs−1 degrees of
    freedom, and the correction for centring on their own mean. Without it, reports on 17 weeks of
    reference alarm three to five times too often (docs/drift.md).
    """
    length = run_length(blocks)
    return float(
        stdtrit(blocks // length - 1, 1 - level)
        / ndtri(1 - level)
        * np.sqrt(blocks / (blocks - length))
    )


def run_length(blocks: int) -> int:
    """Return how many neighbouring blocks are drawn together."""
    return max(1, min(RUN_BLOCKS, blocks // LEAST_BLOCKS))


def multiplicities(
    random: np.random.Generator, blocks: int, drawn: int, *, resamples: int = RESAMPLES
) -> Floats:
    """Return how often each block is in each resample of `drawn` blocks, (resamples, blocks)."""
    length = min(run_length(blocks), drawn)
    starts = random.integers(0, blocks, size=(resamples, math.ceil(drawn / length)))
    chosen = ((starts[:, :, None] + np.arange(length)) % blocks).reshape(resamples, -1)[:, :drawn]
    flat = chosen + blocks * np.arange(resamples)[:, None]
    return (
        np.bincount(flat.ravel(), minlength=resamples * blocks)
        .reshape(resamples, blocks)
        .astype(np.float64)
    )


def _distances_without_drift(
    column: Binned, random: np.random.Generator, draws: dict[tuple[int, int], tuple[Floats, Floats]]
) -> Floats:
    """Return the distances of RESAMPLES windows of the real one's length and rows.

    Columns of one reference share their draws, as the window's columns share their days.
    """
    blocks, drawn = len(column.reference), column.window_blocks
    if (blocks, drawn) not in draws:
        draws[blocks, drawn] = (
            multiplicities(random, blocks, drawn),
            multiplicities(random, blocks, blocks),
        )
    windows, references = (multiplicity @ column.reference for multiplicity in draws[blocks, drawn])
    shares = _without_row_noise(windows, column)
    return distance(
        random.multinomial(int(column.window.sum()), shares).astype(np.float64), references
    )


def _without_row_noise(windows: Floats, column: Binned) -> Floats:
    """Return the windows' shares, with only the differences between runs of blocks left in them.

    They are drawn towards the reference's shares. The chance of the single rows is added again with
    the real window's number of rows: a smoothed bootstrap of two stages (Davison & Hinkley 1997,
    section 3.8). Days of 8 rows differ by chance alone; a window of one day and 1,000 rows does
    not.
    """
    reference, drawn = column.reference, column.window_blocks
    denser = column.window.sum() / drawn / (reference.sum() / len(reference))
    between = _between_runs(
        reference,
        min(run_length(len(reference)), drawn),
        caution=CAUTION_Z * max(0.0, 1 - 1 / denser),
    )
    all_shares = reference.sum(axis=0) / reference.sum()
    shares = windows / windows.sum(axis=1, keepdims=True)
    return np.asarray(all_shares + np.sqrt(between) * (shares - all_shares)).clip(min=0)


def _between_runs(reference: Floats, length: int, *, caution: float) -> float:
    """Return the share of the runs' variance, from 0 to 1, that is not the chance of their rows.

    The runs' variance is taken larger than it was found by `caution` of its standard errors.
    """
    runs = np.add.reduceat(reference, np.arange(0, len(reference) - length + 1, length), axis=0)
    sizes = runs.sum(axis=1)
    if sizes.sum() <= len(runs):
        return 1.0  # one row each: what is chance and what is the block cannot be told apart
    shares, all_shares = runs / sizes[:, None], runs.sum(axis=0) / sizes.sum()
    within = (sizes * (shares * (1 - shares)).sum(axis=1)).sum() / (sizes.sum() - len(runs))
    between = sizes * ((shares - all_shares) ** 2).sum(axis=1) * len(runs) / (len(runs) - 1)
    bound = between.mean() + caution * between.std(ddof=1) / np.sqrt(len(runs))
    return float(np.clip(1 - within / bound, 0, 1)) if bound > 0 else 0.0


def _tolerated_rows(column: Binned, *, level: float) -> float:
    """Return how many of the window's rows may be in bins that the reference never fills.

    Of N + m rows in any order, K are all among the last m in about (m / (N + m))^K of cases.
    """
    rows, known = column.window.sum(), column.reference.sum()
    return float(max(UNSEEN_SHARE * rows, math.log(level) / math.log(rows / (known + rows))))


def _remove_tolerated(column: Binned, tolerated: float) -> Floats:
    """Return the window's counts without the tolerated rows; the reference's if nothing is left."""
    known = column.reference.sum(axis=0)
    unseen = column.window[known == 0].sum()
    if unseen == 0:
        return column.window
    left = np.where(known == 0, column.window * max(0.0, 1 - tolerated / unseen), column.window)
    return left if left.sum() > 0 else known


def _smallest_change(column: Binned, threshold: float, *, tolerated: float) -> float | None:
    shares = column.reference.sum(axis=0) / column.reference.sum()
    rarest = np.eye(len(shares))[shares.argmin()]
    free = tolerated / float(column.window.sum()) if shares.min() == 0 else 0.0
    moved = np.linspace(0, 1, 1001)[:, None]
    beyond = np.flatnonzero(distance(shares, (1 - moved) * shares + moved * rarest) > threshold)
    change = float(moved[beyond[0], 0]) + free if len(beyond) else math.inf
    return change if change <= 1 else None


def _scale(without_drift: Floats, *, level: float) -> Floats:
    """Return the deviation of each column by its upper tail.

    A column with rare leaps must not widen the others' thresholds.
    """
    beyond = max(level, LEAST_TAIL / RESAMPLES)
    tail = np.quantile(without_drift, 1 - beyond, axis=0) - without_drift.mean(axis=0)
    return np.asarray(np.maximum(tail / float(ndtri(1 - beyond)), SMALLEST_SCALE))


def _divergence(shares: Floats, middle: Floats) -> Floats:
    terms = np.zeros_like(shares)
    np.log2(
        np.divide(shares, middle, out=np.ones_like(shares), where=middle > 0),
        out=terms,
        where=shares > 0,
    )
    return np.asarray((shares * terms).sum(axis=-1))
