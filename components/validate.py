"""Decide whether the version may be deployed at all; if so, it is the Challenger."""

from kfp import dsl

from components.image import STEP_IMAGE


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def validate(
    model: str,
    environment: str,
    evaluation: dsl.Input[dsl.Artifact],
    validation: dsl.Output[dsl.Artifact],
):
    """Decide whether the version may be deployed at all; if so, it is the Challenger."""
    from pathlib import Path

    from titlebout.spec import report_error
    from titlebout.validate import validate_version

    with report_error():
        record = validate_version(
            model=model,
            environment=environment,
            evaluation=Path(evaluation.path),
            out=Path(validation.path),
        )
    validation.metadata.update({"version": record.version, "status": record.status})
