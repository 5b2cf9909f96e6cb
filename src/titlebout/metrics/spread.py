"""How far an estimate may be off: one standard error with its degrees of freedom, by the method that the rows allow.

Rows of one block (a day, a group) share their weather, so they are no independent witnesses: the whole block is drawn. And so do
neighbouring days: what is drawn is a run of up to a week of neighbouring blocks (docs/gate.md has the measurement).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.metrics.checked import Floats, TooFew
from titlebout.metrics.scores import Statistic

RESAMPLES = 1000  # the standard error itself is then off by 2 %, less than any decision hangs on
# With eight runs and the t quantile of seven degrees of freedom the false accepts measured in docs/gate.md stay near their nominal rate;
# Ibragimov & Müller (2010) show why the t test of few groups does.
MINIMUM_UNITS = 8
# Differences between two models' daily losses on the 2013 flights stay correlated (0.1 to 0.4 from one day to the next) within a week.
RUN_BLOCKS = 7


class Spread(NamedTuple):
    """A standard error, the degrees of freedom of its t quantile, and how both were found."""

    error: float
    freedom: float
    method: str
    blocks: int = 0

    def half_width(self, confidence: float) -> float:
        from scipy.special import stdtrit  # scipy.stats would take a second to import

        return float(stdtrit(self.freedom, (1 + confidence) / 2) * self.error)


class Runs(NamedTuple):
    """The run (0 to number-1) of each row, and how many neighbouring blocks make one."""

    codes: NDArray[np.intp]
    number: int
    length: int


def runs_of(blocks: NDArray[np.intp]) -> Runs:
    """Neighbouring blocks (in the order of their codes) in runs of nearly equal length, shorter where there are few blocks."""
    values, coded = np.unique(blocks, return_inverse=True)
    length = min(RUN_BLOCKS, max(1, len(values) // MINIMUM_UNITS))
    count = len(values) // length
    return Runs((coded * count // len(values)).astype(np.intp), count, length)


def enough(units: int, *, what: str) -> None:
    if units < MINIMUM_UNITS:
        raise TooFew(
            "the interval",
            expected=f"at least {MINIMUM_UNITS} {what}",
            found=str(units),
            next_step=f"take rows that cover more {what}",
        )


def of_mean(losses: Floats) -> Spread:
    """Of a mean over independent rows: Student's t."""
    enough(len(losses), what="rows")
    return Spread(float(losses.std(ddof=1) / np.sqrt(len(losses))), len(losses) - 1, "t over rows")


def of_roc_auc(labels: Floats, *scores: Floats) -> Spread:
    """Of one ROC AUC, or of the first's lead over the second: DeLong (1988), by the fast algorithm of Sun & Xu (2014)."""
    placements = [_placements(labels, predicted) for predicted in scores]
    positives, negatives = (group[0] if len(group) == 1 else group[0] - group[1] for group in zip(*placements, strict=True))
    enough(min(len(positives), len(negatives)), what="rows of each class")
    variance = positives.var(ddof=1) / len(positives) + negatives.var(ddof=1) / len(negatives)
    return Spread(float(np.sqrt(variance)), float("inf"), "DeLong over rows")


def _placements(labels: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """For each positive row the share of negatives below it, for each negative row the share of positives above it."""
    from scipy.stats import rankdata

    positive, negative = predicted[labels == 1], predicted[labels == 0]
    together = rankdata(np.concatenate((positive, negative)))
    above = (together[: len(positive)] - rankdata(positive)) / len(negative)
    below = 1 - (together[len(positive) :] - rankdata(negative)) / len(positive)
    return np.asarray(above), np.asarray(below)


def by_bootstrap(statistic: Statistic, units: int, *, what: str, seed: int) -> Spread:
    """Standard error over resamples of whole units (blocks or rows), with t of units−1 degrees of freedom.

    Cameron, Gelbach & Miller (2008). Drawing B of B units makes the error too small by √((B−1)/B), which is undone here.
    """
    enough(units, what=what)
    values = resampled(statistic, units, seed=seed)
    error = float(values.std(ddof=1) * np.sqrt(units / (units - 1)))
    return Spread(error, units - 1, f"bootstrap over {units} {what}, t")


def resampled(statistic: Callable[[Floats], float], units: int, *, seed: int) -> Floats:
    """The statistic on RESAMPLES draws of the units with replacement; raises TooFew if a draw leaves it undefined."""
    random = np.random.default_rng(seed)
    values = np.empty(RESAMPLES)
    for draw in range(RESAMPLES):
        drawn = random.integers(0, units, size=units)
        values[draw] = statistic(np.bincount(drawn, minlength=units).astype(np.float64))
    if undefined := int(np.count_nonzero(np.isnan(values))):
        raise TooFew(
            "the interval",
            expected="rows of every class in each resample",
            found=f"{undefined} of {RESAMPLES} resamples with one class only",
            next_step="take a holdout with more rows of the rare class",
        )
    return values
