"""Write one self-contained HTML page about a version.

It shows the verdict, what is wrong with the model, and all that was measured. `evaluate` writes it
before validation and gate have run; the gate writes it again with both. It is made of records
alone.
"""

from pathlib import Path
from typing import Any

from titlebout.evaluate import plots
from titlebout.evaluate.findings import ENGINES, calibration_finding, estimate, findings, measured
from titlebout.spec import (
    METRICS,
    Dataset,
    Decisions,
    Evaluation,
    ModelSpec,
    Record,
    Training,
    Validation,
    Verdict,
    figure,
    from_to,
    metrics_of,
    percent,
    printable,
)

PAGE_FILE, MATERIAL_FILE = "report.html", "page.json"
TEMPLATE = Path(__file__).with_name("report.html.j2")
# A larger confusion matrix cannot be read. Its largest confusions are listed instead.
SHOWN_CLASSES = 12
SHOWN_CONFUSIONS = 12


class PageMaterial(Record):
    """Hold what the page shows beside the evaluation; `evaluate` keeps it for the gate."""

    spec: ModelSpec
    training: Training
    dataset: Dataset


def write_page(
    path: Path,
    material: PageMaterial,
    *,
    evaluation: Evaluation,
    validation: Validation | None = None,
    verdict: Verdict | None = None,
) -> None:
    """Write the page. It needs no network, as its figures are SVG inside it."""
    from jinja2 import Environment, StrictUndefined

    page = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_make_printable,
    )
    page.filters.update(estimate=estimate, number=figure, percent=percent, megabytes=_megabytes)
    page.globals.update(from_to=from_to)
    template = page.from_string(TEMPLATE.read_text(encoding="utf-8"))
    content = _content(material, evaluation) | {"validation": validation, "verdict": verdict}
    content["findings"] = findings(material.spec, evaluation, material.training, validation)
    path.write_text(template.render(content), encoding="utf-8")


def _content(material: PageMaterial, evaluation: Evaluation) -> dict[str, Any]:
    spec, training, dataset = material.spec, material.training, material.dataset
    fitted = {one.name: one for one in training.candidates}
    return {
        "spec": spec,
        "evaluation": evaluation,
        "training": training,
        "dataset": dataset,
        "metrics": [spec.metric, *(name for name in metrics_of(spec.task) if name != spec.metric)],
        "better": {
            name: "more" if METRICS[name].greater_is_better else "less"
            for name in metrics_of(spec.task)
        },
        "rows": [(fitted[name], measured(evaluation, name)) for name in fitted],
        "engines": ENGINES,
        "calibration": calibration_finding(evaluation),
        "matrix": evaluation.decisions is not None
        and len(evaluation.decisions.classes) <= SHOWN_CLASSES,
        "confusions": _confusions(evaluation.decisions) if evaluation.decisions else [],
        "plots": _plots(spec, evaluation),
    }


def _confusions(decisions: Decisions) -> list[tuple[str, str, int]]:
    """Return actual class, predicted class and rows, the largest first."""
    names = [one.name for one in decisions.classes]
    pairs = [
        (names[actual], names[predicted], rows)
        for actual, line in enumerate(decisions.confusion)
        for predicted, rows in enumerate(line)
        if actual != predicted and rows
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:SHOWN_CONFUSIONS]


def _plots(spec: ModelSpec, evaluation: Evaluation) -> dict[str, str]:
    overall = measured(evaluation, evaluation.chosen).metrics["holdout"][spec.metric].value
    drawn = {
        "candidates": plots.candidates_plot(evaluation),
        "calibration": plots.calibration_plot(evaluation, of_values=spec.task == "regression"),
    }
    if evaluation.importance:
        drawn["importance"] = plots.importance_plot(evaluation)
    if evaluation.slices:
        drawn["slices"] = plots.slices_plot(evaluation, overall=overall, worst=spec.slices.worst)
    if evaluation.curves is not None:
        drawn["roc"], drawn["precision_recall"] = plots.curves_plots(evaluation.curves)
    if evaluation.residuals is not None:
        drawn["residuals"] = plots.residuals_plot(evaluation.residuals)
    return drawn


def _make_printable(value: Any) -> Any:
    """Return a user's text without control characters; the figures' SVG is ours and stays."""
    return printable(value) if type(value) is str else value


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.2f} MB"
