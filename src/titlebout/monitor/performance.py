"""Compare the Champion's answers on rows with labels with the holdout that it was accepted on.

Both are samples. How large a loss is by chance is found from their rows together (a permutation
test: exact for independent rows, whatever the metric). The rows are distributed anew over a window
and a holdout of the same sizes. Rows of one day are not independent. So that spread is widened by
the design effect (Kish 1965), measured on the holdout's days and on the window's own.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.monitor.calibrate import (
    CAUTION_Z,
    LEAST_BLOCKS,
    block_codes,
    few_runs_factor,
    run_length,
)
from titlebout.monitor.reference import Reference, encode_labels
from titlebout.spec import METRICS, DataError, Estimate, Performance

Floats = NDArray[np.float64]
Days = NDArray[np.integer[Any]] | None
PERMUTATIONS = 1000  # at a rate of 1 % the tenth largest decides
# Of the largest loss: losses that differ by less are equal, and differ by the order of their sums.
SAME = 1e-9
SHUFFLES = 5  # of rows between blocks: each is a mean over hundreds of blocks already
LEAST_LABELLED_ROWS = 100  # fewer tell little: an alarm by them would be chance
INTERVAL = 0.95  # of the printed interval: the window's own metric, for a person
# Other metrics begin at 0 and have no upper end.
RANGES = {
    "roc_auc": (0, 1),
    "average_precision": (0, 1),
    "accuracy": (0, 1),
    "r2": (-np.inf, 1),
}


class _Rows(NamedTuple):
    """Hold labels as codes or numbers, the Champion's scores, and each row's day (or group)."""

    y: Floats
    scores: Floats
    days: Days


def find_performance(
    reference: Reference,
    rows: pd.DataFrame,
    truth: "pd.Series[Any]",
    *,
    metric: str,
    rate: float,
    seed: int,
) -> Performance:
    """Compare the window's labelled rows with the holdout, one-sided.

    `drifted` means worse than chance is in `rate` of the reports. `rows` has the columns time,
    score and scores; `truth` has the label of each. Raise DataError if the metric cannot be
    computed.
    """
    window = _window(reference, rows, truth)
    holdout = _Rows(
        reference.holdout.y.astype(np.float64),
        reference.holdout_scores,
        reference.blocks_of(reference.holdout),
    )
    random, sign = np.random.default_rng(seed), 1 if METRICS[metric].greater_is_better else -1
    found, known = (
        metrics.score(metric, window.y, window.scores),
        metrics.score(metric, holdout.y, holdout.scores),
    )
    widening = _widening(metric, holdout, window, random)
    margin = widening.of_loss * _loss_by_chance(
        metric, holdout, window, sign=sign, rate=rate, random=random
    )
    margin *= _few_days_factor(holdout, window, rate=rate)
    loss = sign * (known - found)
    return Performance(
        metric=metric,
        rows=len(window.y),
        reference=known,
        window=_interval(metric, window, widening.of_window, seed=seed),
        loss=loss,
        threshold=margin,
        drifted=loss > margin,
        can_tell=bool(margin < sign * (known - _useless(metric, window, random))),
    )


def _window(reference: Reference, rows: pd.DataFrame, truth: "pd.Series[Any]") -> _Rows:
    multiclass = reference.contract.task == "multiclass"
    scores = np.stack(rows["scores"].to_list()) if multiclass else rows["score"].to_numpy()
    days = pd.factorize(rows["time"].dt.date, sort=True)[0] if reference.by_day else None
    return _Rows(encode_labels(reference.contract, truth), scores.astype(np.float64), days)


def _few_days_factor(holdout: _Rows, window: _Rows, *, rate: float) -> float:
    """Return the factor for what few days tell of how days differ.

    Raise DataError where the holdout has too few days.
    """
    if holdout.days is None:
        return 1.0
    count, own = (int(block_codes(rows.days, len(rows.y)).max()) + 1 for rows in (holdout, window))
    if count < LEAST_BLOCKS:
        raise DataError(
            "the holdout",
            expected=f"at least {LEAST_BLOCKS} days or groups",
            found=str(count),
            next_step="train on a longer window",
        )
    return few_runs_factor(
        min(count, own) if window.days is not None and own >= LEAST_BLOCKS else count, level=rate
    )


def _loss_by_chance(
    metric: str,
    holdout: _Rows,
    window: _Rows,
    *,
    sign: int,
    rate: float,
    random: np.random.Generator,
) -> float:
    """Return the loss that only `rate` of random distributions of the rows exceed."""
    y, scores = (
        np.concatenate([holdout.y, window.y]),
        np.concatenate([holdout.scores, window.scores]),
    )
    by_row = metrics.statistic(metric, y, scores, np.arange(len(y)))
    losses = np.empty(PERMUTATIONS)
    for number in range(PERMUTATIONS):
        chosen = np.zeros(len(y))
        chosen[random.choice(len(y), size=len(window.y), replace=False)] = 1
        losses[number] = sign * (by_row(1 - chosen) - by_row(chosen))
    if np.isnan(losses).any():
        raise DataError(
            f"the labels for {metric}",
            expected="rows of every class in every random sample of them",
            found="too few of one class",
            next_step="wait for more labels, or take a larger holdout",
        )
    return float(np.quantile(losses, 1 - rate, method="higher") + SAME * np.abs(losses).max())


class _Widening(NamedTuple):
    """Hold the factors by which chance is wider than for independent rows.

    One is for the loss, one for the window's metric.
    """

    of_loss: float
    of_window: float


def _widening(metric: str, holdout: _Rows, window: _Rows, random: np.random.Generator) -> _Widening:
    """Return the square roots of the design effects.

    A window of few days gets that of the holdout's days, for as many rows a day.
    """
    known = [_design(metric, holdout, length, random) for length in _lengths(holdout)]
    of_holdout = max((design.effect for design in known), default=1.0)
    own = [_design(metric, window, length, random).effect for length in _lengths(window)]
    if window.days is not None and not own:
        days = len(np.unique(window.days))
        own = [design.effect_for(len(window.y) / np.ceil(days / design.length)) for design in known]
    of_window = max(own, default=of_holdout)
    shares = np.array([1 / len(window.y), 1 / len(holdout.y)])
    return _Widening(
        float(np.sqrt(shares @ [of_window, of_holdout] / shares.sum())), float(np.sqrt(of_window))
    )


def _lengths(rows: _Rows) -> list[int]:
    """Return the lengths of the runs of blocks in which dependence is measured.

    They are single blocks and up to a week; none where there are too few blocks.
    """
    if rows.days is None or (blocks := len(np.unique(rows.days))) < LEAST_BLOCKS:
        return []
    return sorted({1, run_length(blocks)})


class _Design(NamedTuple):
    """Hold how much larger the metric's variance is than for independent rows.

    It is measured in runs of `length` blocks, with `rows` rows to each, `runs` in all.
    """

    effect: float
    length: int
    rows: float
    runs: int

    def effect_for(self, rows: float) -> float:
        """Return the effect for another number of rows to each run.

        The correlation within a run is an estimate, so its upper bound counts.
        """
        if self.rows <= 1:
            return self.effect
        bound = self.effect * (1 + CAUTION_Z * np.sqrt(2 / (self.runs - 1)))
        return float(
            max(self.effect, 1 + (rows - 1) * (bound - 1) / (self.rows - 1))
            if rows > self.rows
            else self.effect
        )


def _design(metric: str, rows: _Rows, length: int, random: np.random.Generator) -> _Design:
    """Compare the jackknife over runs with that over the same runs of shuffled rows."""
    blocks = block_codes(rows.days, len(rows.y))
    runs = (blocks // length).clip(max=(int(blocks.max()) + 1) // length - 1)
    by_chance = np.mean(
        [_jackknife(metric, rows, random.permutation(runs)) for _ in range(SHUFFLES)]
    )
    sizes = np.bincount(runs)
    effect = _jackknife(metric, rows, runs) / by_chance if by_chance > 0 else 1.0
    return _Design(
        float(max(1.0, effect)), length, float((sizes**2).sum() / sizes.sum()), len(sizes)
    )


def _jackknife(metric: str, rows: _Rows, runs: NDArray[np.intp]) -> float:
    """Return the metric's variance by leaving out each run."""
    statistic, count = metrics.statistic(metric, rows.y, rows.scores, runs), int(runs.max()) + 1
    values = np.array([statistic(1 - left_out) for left_out in np.eye(count)])
    return float(np.nanvar(values) * (count - 1))


def _interval(metric: str, window: _Rows, widening: float, *, seed: int) -> Estimate:
    """Return the window's own metric with its interval.

    It is the interval by rows, widened as days are alike, and within what is possible.
    """
    by_rows = metrics.interval(
        metric, window.y, window.scores, blocks=None, confidence=INTERVAL, seed=seed
    )
    if by_rows.low is None or by_rows.high is None:
        return by_rows
    least, most = RANGES.get(metric, (0, np.inf))
    low, high = (
        by_rows.value + (bound - by_rows.value) * widening for bound in (by_rows.low, by_rows.high)
    )
    return Estimate(value=by_rows.value, low=float(max(low, least)), high=float(min(high, most)))


def _useless(metric: str, window: _Rows, random: np.random.Generator) -> float:
    """Return the metric of a model that knows nothing of the rows: its scores in random order."""
    shuffled = [
        metrics.score(metric, random.permutation(window.y), window.scores) for _ in range(SHUFFLES)
    ]
    return float(np.mean(shuffled))
