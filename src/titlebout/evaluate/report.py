"""One self-contained HTML page about the evaluation, for the data scientist and whoever must believe them."""

from pathlib import Path
from typing import Any

import numpy as np

from titlebout.evaluate import plots
from titlebout.spec import METRICS, CandidateEvaluation, Dataset, Estimate, Evaluation, FittedCandidate, ModelSpec, Training, metrics_of

REPORT_FILE = "report.html"
MINIMUM_FOLDS = 3  # the spread of two folds says nothing
FOLDS_QUANTILE = 0.975  # the upper end of a two-sided 95 % interval
TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(path: Path, spec: ModelSpec, *, evaluation: Evaluation, training: Training, dataset: Dataset) -> None:
    """Needs no network to be read: figures are SVG inside the page."""
    from jinja2 import Environment, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page.filters.update(estimate=_estimate, number=_number, percent=_percent, megabytes=_megabytes)
    template = page.from_string(TEMPLATE.read_text(encoding="utf-8"))
    path.write_text(template.render(_content(spec, evaluation, training, dataset)), encoding="utf-8")


def _content(spec: ModelSpec, evaluation: Evaluation, training: Training, dataset: Dataset) -> dict[str, Any]:
    measured = {one.name: one for one in evaluation.candidates}
    fitted = {one.name: one for one in training.candidates}
    chosen, baseline = (measured[name].metrics["holdout"][spec.metric] for name in (evaluation.chosen, "baseline"))
    return {
        "spec": spec,
        "evaluation": evaluation,
        "training": training,
        "dataset": dataset,
        "metrics": [spec.metric, *(name for name in metrics_of(spec.task) if name != spec.metric)],
        "better": {name: "more" if METRICS[name].greater_is_better else "less" for name in metrics_of(spec.task)},
        "rows": [(fitted[name], measured[name]) for name in fitted],
        "chosen": chosen,
        "baseline": baseline,
        "beats": _beats(chosen, baseline, metric=spec.metric),
        "gaps": [name for name in fitted if name != "baseline" and worse_than_folds(fitted[name], measured[name], spec.metric)],
        "suspicious": [leak for leak in evaluation.leaks if leak.level == "suspicious"],
        "plots": _plots(spec, evaluation, overall=chosen.value),
    }


def _plots(spec: ModelSpec, evaluation: Evaluation, *, overall: float) -> dict[str, str]:
    drawn = {"candidates": plots.candidates_plot(evaluation), "calibration": plots.calibration_plot(evaluation)}
    if evaluation.importance:
        drawn["importance"] = plots.importance_plot(evaluation)
    if evaluation.slices:
        drawn["slices"] = plots.slices_plot(evaluation, overall=overall, worst=spec.slices.worst)
    return drawn


def _beats(chosen: Estimate, baseline: Estimate, *, metric: str) -> bool:
    return chosen.value > baseline.value if METRICS[metric].greater_is_better else chosen.value < baseline.value


def worse_than_folds(fitted: FittedCandidate, measured: CandidateEvaluation, metric: str) -> bool:
    """Whether the holdout is worse than cross-validation foretold, beyond chance: the two intervals do not even touch.

    The folds' interval is Student's t over their scores; `benchmarks/worse_than_folds.py` simulates how often equals seem to differ.
    """
    from scipy.special import stdtrit

    found, count = measured.metrics["holdout"][metric], len(fitted.fold_scores)
    if count < MINIMUM_FOLDS or found.low is None or found.high is None:
        return False
    half = float(stdtrit(count - 1, FOLDS_QUANTILE) * np.std(fitted.fold_scores, ddof=1) / np.sqrt(count))
    foretold = float(np.mean(fitted.fold_scores))
    return found.high < foretold - half if METRICS[metric].greater_is_better else found.low > foretold + half


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.4g}"  # noqa: PLR0124


def _estimate(one: Estimate) -> str:
    return _number(one.value) if one.low is None else f"{_number(one.value)} ({_number(one.low)} to {_number(one.high)})"


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.2f} MB"
