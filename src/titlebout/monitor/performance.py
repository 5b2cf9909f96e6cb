"""How well the Champion still answers, on rows whose labels have come, against the holdout it was accepted on."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from titlebout import metrics
from titlebout.monitor.calibrate import block_codes, for_few_runs, multiplicities, window_blocks
from titlebout.monitor.reference import Reference, codes_of
from titlebout.spec import METRICS, Performance

RESAMPLES = 500  # the standard error is off by 3 %, against a t quantile of few runs
LEAST_LABELLED_ROWS = 100  # fewer say little, and an alarm by them would be chance or a flood


def find_performance(reference: Reference, labelled: pd.DataFrame, *, metric: str, days: int, rate: float, seed: int) -> Performance:
    """One-sided: `drifted` if the loss is larger than windows as long, put together from the holdout, show in `rate` of the reports.

    `labelled` has the columns score, scores and label. Raises DataError if the metric cannot be computed.
    """
    sign = 1 if METRICS[metric].greater_is_better else -1
    scores = _scores(reference, labelled)
    window = metrics.score(metric, codes_of(reference.contract, labelled["label"]), scores)
    known = metrics.score(metric, reference.holdout.y, reference.holdout_scores)
    loss = sign * (known - window)
    margin = _margin(reference, metric, rows=len(labelled), days=days, rate=rate, seed=seed)
    return Performance(
        metric=metric,
        rows=len(labelled),
        reference=known,
        window=window,
        loss=loss,
        low=loss - margin,
        high=loss + margin,
        drifted=loss > margin,
    )


def _scores(reference: Reference, labelled: pd.DataFrame) -> NDArray[np.float64]:
    if reference.contract.task == "multiclass":
        return np.stack(labelled["scores"].to_list()).astype(np.float64)
    return labelled["score"].to_numpy(dtype=np.float64)


def _margin(reference: Reference, metric: str, *, rows: int, days: int, rate: float, seed: int) -> float:
    """The largest loss that is chance: the spread of windows without news against a redrawn holdout, times the quantile."""
    holdout, random = reference.holdout, np.random.default_rng(seed)
    blocks = block_codes(holdout.blocks, len(holdout.y))
    count = int(blocks.max()) + 1
    length = window_blocks(holdout.blocks, count, rows=len(holdout.y), window_rows=rows, window_days=days if reference.by_day else None)
    by_row = metrics.statistic(metric, holdout.y.astype(np.float64), reference.holdout_scores, np.arange(len(blocks)))
    windows, again = (multiplicities(random, blocks=count, drawn=drawn, resamples=RESAMPLES) for drawn in (length, count))
    differences = np.array(
        [by_row(_thinned(window[blocks], rows, random)) - by_row(other[blocks]) for window, other in zip(windows, again, strict=True)]
    )
    return float(ndtri(1 - rate) * for_few_runs(count, level=rate) * np.nanstd(differences, ddof=1))


def _thinned(weights: NDArray[np.float64], rows: int, random: np.random.Generator) -> NDArray[np.float64]:
    """At most `rows` of the drawn rows: fewer labels tell less."""
    if weights.sum() <= rows:
        return weights
    drawn = np.repeat(np.arange(len(weights)), weights.astype(np.intp))
    chosen = random.choice(drawn, size=rows, replace=False)
    return np.bincount(chosen, minlength=len(weights)).astype(np.float64)
