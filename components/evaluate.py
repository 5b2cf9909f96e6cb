"""Measure every candidate, report, and register the chosen one."""

from kfp import dsl

from components.image import STEP_IMAGE


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def evaluate(
    model: str,
    environment: str,
    dataset: dsl.Input[dsl.Dataset],
    training: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
):
    """Measure every candidate, report, and register the chosen one."""
    from pathlib import Path

    from titlebout.evaluate import evaluate_candidates
    from titlebout.spec import report_error

    with report_error():
        record = evaluate_candidates(
            model=model,
            environment=environment,
            dataset=Path(dataset.path),
            training=Path(training.path),
            out=Path(evaluation.path),
        )
    evaluation.metadata.update(
        {"version": record.version, "chosen": record.chosen, "model_digest": record.model_digest}
    )
