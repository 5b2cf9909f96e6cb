"""Every candidate's predictions on every part, and its metrics from them."""

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
    """One candidate: its folder, what predicts, and its scores on each part (`scores[part]`, rows as in the part)."""

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
    """Intervals on the holdout, on validation for the metric that chooses, on training rows for none."""
    wanted = {
        "train": frozenset[str](),
        "validation": frozenset({spec.metric}),
        "holdout": _worth_an_interval(spec),
    }
    found = {
        part: {
            metric: _estimate(
                metric,
                rows,
                measured.scores[part],
                spec=spec,
                confidence=confidence if metric in wanted[part] else None,
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


def _worth_an_interval(spec: ModelSpec) -> frozenset[str]:
    """Average precision has no short cut: a thousand resamples of its ranking take seconds, spent only where something hangs on it."""
    deciding = {spec.metric, *spec.thresholds, *spec.gate.guardrails}
    return frozenset(
        metric
        for metric in metrics_of(spec.task)
        if metric != "average_precision" or metric in deciding
    )


def _estimate(
    metric: str, rows: PartRows, scores: Scores, *, spec: ModelSpec, confidence: float | None
) -> Estimate:
    """NaN where the part's labels leave the metric undefined; whoever decides by it fails closed."""
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
    """Median time of a prediction of one row, encoding and network aside."""
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
