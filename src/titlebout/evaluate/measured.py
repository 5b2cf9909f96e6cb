"""Measure every candidate: its predictions on every part, and its metrics from them."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.data import PartRows
from titlebout.scoring import Predictor, load_predictor, predictor_columns
from titlebout.spec import (
    CandidateEvaluation,
    DataError,
    Estimate,
    ModelSpec,
    digest_of_folder,
    metrics_of,
)

Scores = NDArray[np.float64]
TIMED_CALLS, WARM_UP_CALLS = 50, 5


class Measured(NamedTuple):
    """Hold one candidate: its folder, its predictor, and its scores on each part.

    `scores[part]` has one row per row of the part.
    """

    name: str
    folder: Path
    digest: str
    predictor: Predictor
    scores: dict[str, Scores]


def measure(name: str, folder: Path, parts: Mapping[str, PartRows]) -> Measured:
    """Load the model folder as a server would, and predict every part."""
    digest = digest_of_folder(folder)
    predictor = load_predictor(folder, digest=digest)
    scores = {
        part: np.asarray(predictor.scores(predictor_columns(rows.X)), dtype=np.float64)
        for part, rows in parts.items()
    }
    return Measured(name, folder, digest, predictor, scores)


def summary(
    measured: Measured, parts: Mapping[str, PartRows], *, spec: ModelSpec, confidence: float
) -> CandidateEvaluation:
    """Return the candidate's metrics on each part, and what a prediction costs.

    There are intervals on the holdout, on validation for the metric that chooses, and none on
    training rows.
    """
    with_interval = {
        "train": frozenset[str](),
        "validation": frozenset({spec.metric}),
        "holdout": _metrics_with_interval(spec),
    }
    found = {
        part: {
            metric: _estimate(
                metric,
                rows,
                measured.scores[part],
                spec=spec,
                confidence=confidence if metric in with_interval[part] else None,
            )
            for metric in metrics_of(spec.task)
        }
        for part, rows in parts.items()
    }
    return CandidateEvaluation(
        name=measured.name,
        metrics=found,
        predict_ms_per_row=_one_row_ms(measured.predictor, parts["holdout"]),
        size_bytes=sum(
            path.stat().st_size for path in measured.folder.rglob("*") if path.is_file()
        ),
        engine=measured.predictor.contract.engine,
    )


def _metrics_with_interval(spec: ModelSpec) -> frozenset[str]:
    """Return the metrics that get an interval; average precision only if it decides something.

    Its interval takes a thousand resamples of the ranking, which is seconds.
    """
    deciding = {spec.metric, *spec.thresholds, *spec.gate.guardrails}
    return frozenset(
        metric
        for metric in metrics_of(spec.task)
        if metric != "average_precision" or metric in deciding
    )


def _estimate(
    metric: str, rows: PartRows, scores: Scores, *, spec: ModelSpec, confidence: float | None
) -> Estimate:
    """Return the metric, NaN if it is undefined on the part's labels. Decisions by NaN fail."""
    try:
        if confidence is None:
            return Estimate(value=metrics.score(metric, rows.y, scores))
        return metrics.interval(
            metric,
            rows.y,
            scores,
            blocks=rows.days,
            groups=rows.groups,
            confidence=confidence,
            seed=spec.seed,
        )
    except DataError:
        return Estimate(value=math.nan)


def _one_row_ms(predictor: Predictor, part: PartRows) -> float:
    """Return the median time of a prediction of one row, without encoding and network."""
    rows = [
        predictor_columns(part.X.iloc[[position % len(part.y)]])
        for position in range(TIMED_CALLS + WARM_UP_CALLS)
    ]
    seconds = []
    for row in rows:
        begin = time.perf_counter()
        predictor.scores(row)
        seconds.append(time.perf_counter() - begin)
    return round(float(np.median(seconds[WARM_UP_CALLS:])) * 1000, 4)
