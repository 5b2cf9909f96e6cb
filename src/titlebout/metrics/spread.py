"""Compute a standard error with its degrees of freedom, by the method that the rows allow.

Rows of one day share its weather, and rows of one group (a customer, copies of one row) share
what is the group's own. So single rows are not independent; whole days or groups are.
Neighbouring days are correlated, too, so the unit is a run of up to a week of days. The
measurements are in docs/gate.md.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout.metrics.checked import Floats, TooFew
from titlebout.metrics.influence import placements
from titlebout.metrics.scores import Statistic

RESAMPLES = 1000  # the standard error itself is then off by 2 %, less than any decision hangs on
# With eight units and the t quantile of seven degrees of freedom, the false accepts measured in
# docs/gate.md stay near their nominal rate. Ibragimov & Müller (2010) show why the t test of few
# groups does so.
MINIMUM_UNITS = 8
# Differences between two models' daily losses on the 2013 flights stay correlated within a week
# (0.1 to 0.4 from one day to the next).
RUN_BLOCKS = 7


class Spread(NamedTuple):
    """Hold a standard error, the degrees of freedom of its t quantile, and the method of both."""

    error: float
    freedom: float
    method: str
    blocks: int = 0

    def critical(self, confidence: float) -> float:
        """Return how many standard errors the interval reaches to each side."""
        from scipy.special import stdtrit  # scipy.stats would take a second to import

        return float(stdtrit(self.freedom, (1 + confidence) / 2))

    def half_width(self, confidence: float) -> float:
        """Return half of the interval's width, in the unit of the estimate."""
        return self.critical(confidence) * self.error


class Runs(NamedTuple):
    """Hold the run (0 to number-1) of each row, and how many neighbouring blocks make a run."""

    codes: NDArray[np.intp]
    number: int
    length: int


def runs_of(blocks: NDArray[np.intp]) -> Runs:
    """Join neighbouring blocks to runs of nearly equal length, shorter where blocks are few.

    Blocks are neighbours in the order of their codes.
    """
    values, coded = np.unique(blocks, return_inverse=True)
    length = min(RUN_BLOCKS, max(1, len(values) // MINIMUM_UNITS))
    count = len(values) // length
    return Runs((coded * count // len(values)).astype(np.intp), count, length)


def require_enough(units: int, *, what: str) -> None:
    """Raise TooFew if there are fewer than MINIMUM_UNITS; `what` names the units."""
    if units < MINIMUM_UNITS:
        raise TooFew(
            "the interval",
            expected=f"at least {MINIMUM_UNITS} {what}",
            found=str(units),
            next_step=f"take rows that cover more {what}",
        )


def of_mean(losses: Floats) -> Spread:
    """Return the spread of a mean over independent rows, by Student's t."""
    require_enough(len(losses), what="rows")
    return Spread(float(losses.std(ddof=1) / np.sqrt(len(losses))), len(losses) - 1, "t over rows")


def of_roc_auc(labels: Floats, *scores: Floats) -> Spread:
    """Return the spread of one ROC AUC, or of the first's lead over the second.

    The method is DeLong's (1988), by the fast algorithm of Sun & Xu (2014).
    """
    placed = [placements(labels, predicted) for predicted in scores]
    positives, negatives = (
        group[0] if len(group) == 1 else group[0] - group[1] for group in zip(*placed, strict=True)
    )
    require_enough(min(len(positives), len(negatives)), what="rows of each class")
    variance = positives.var(ddof=1) / len(positives) + negatives.var(ddof=1) / len(negatives)
    return Spread(float(np.sqrt(variance)), float("inf"), "DeLong over rows")


class Clustering(NamedTuple):
    """Say which rows depend on each other: the unit (0 to number-1) of each row.

    `unit` is what the units are called.
    """

    codes: NDArray[np.intp]
    number: int
    unit: str


def runs_of_days(blocks: NDArray[np.intp]) -> Clustering:
    """Return runs of days, given as codes in the order of time."""
    runs = runs_of(blocks)
    unit = "blocks" if runs.length == 1 else f"runs of {runs.length} blocks"
    return Clustering(runs.codes, runs.number, unit)


def groups(codes: NDArray[np.intp]) -> Clustering:
    """Return groups, which have no order."""
    values, coded = np.unique(codes, return_inverse=True)
    return Clustering(coded, len(values), "groups")


def of_clusters(influences: Floats, clusterings: Sequence[Clustering]) -> Spread:
    """Return the spread of a metric from its rows' influences, for one clustering or two.

    The degrees of freedom are units−1 of the clustering with the fewest units. Two clusterings
    follow Cameron, Gelbach & Miller (2011): what both share is counted once. Sampling may make that
    negative, so the error is at least that of either clustering alone.
    """
    for clustering in clusterings:
        require_enough(clustering.number, what=clustering.unit)
    alone = [_variance(influences, clustering.codes) for clustering in clusterings]
    variance = max(alone)
    if len(clusterings) > 1:
        first, second = clusterings
        variance = max(
            variance, sum(alone) - _variance(influences, first.codes * second.number + second.codes)
        )
    units = min(clustering.number for clustering in clusterings)
    what = " and ".join(f"{clustering.number} {clustering.unit}" for clustering in clusterings)
    return Spread(float(np.sqrt(variance)), units - 1, f"t over {what}", units)


def _variance(influences: Floats, codes: NDArray[np.intp]) -> float:
    """Return the sum of the units' squared influences, unbiased for units of equal size."""
    _, coded = np.unique(codes, return_inverse=True)
    sums = np.bincount(coded, weights=influences)
    return float(np.sum(sums**2) * len(sums) / (len(sums) - 1))


def by_bootstrap(statistic: Statistic, rows: int, *, seed: int) -> Spread:
    """Return the spread over resamples of independent rows, with t of rows−1 degrees of freedom.

    Drawing n of n rows makes the error too small by √((n−1)/n). That is corrected here.
    """
    require_enough(rows, what="rows")
    values = resampled(statistic, rows, seed=seed)
    error = float(values.std(ddof=1) * np.sqrt(rows / (rows - 1)))
    return Spread(error, rows - 1, f"bootstrap over {rows} rows, t")


def resampled(statistic: Callable[[Floats], float], units: int, *, seed: int) -> Floats:
    """Return the statistic on RESAMPLES draws of the units with replacement.

    Raise TooFew if a draw leaves it undefined.
    """
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
