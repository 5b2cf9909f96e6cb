"""Train the baseline and the candidates on the dataset's training rows."""

from kfp import dsl

from components.image import STEP_IMAGE


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def train(
    model: str,
    environment: str,
    tune: bool,
    dataset: dsl.Input[dsl.Dataset],
    training: dsl.Output[dsl.Model],
):
    """Train the baseline and the candidates on the dataset's training rows."""
    from pathlib import Path

    from titlebout.spec import report_error
    from titlebout.train import train_candidates

    with report_error():
        record = train_candidates(
            model=model,
            environment=environment,
            tune=None if tune else False,
            dataset=Path(dataset.path),
            out=Path(training.path),
        )
    training.metadata.update(
        {"dataset": record.dataset, "candidates": [c.name for c in record.candidates]}
    )
