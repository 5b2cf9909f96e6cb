"""Compare the Challenger with the Champion, and give the verdict."""

from kfp import dsl

from components.image import STEP_IMAGE


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def gate(
    model: str,
    environment: str,
    evaluation: dsl.Input[dsl.Artifact],
    validation: dsl.Input[dsl.Artifact],
    verdict: dsl.Output[dsl.Artifact],
):
    """Compare the Challenger with the Champion, and give the verdict."""
    from pathlib import Path

    from titlebout.gate import decide_verdict
    from titlebout.spec import report_error

    with report_error():
        record = decide_verdict(
            model=model,
            environment=environment,
            evaluation=Path(evaluation.path),
            validation=Path(validation.path),
            out=Path(verdict.path),
        )
    verdict.metadata.update({"digest": record.digest, "verdict": record.verdict})
