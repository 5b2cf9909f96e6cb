"""Read the source, check it against the schema, split its rows and store them."""

from kfp import dsl

from components.image import STEP_IMAGE


@dsl.component(base_image=STEP_IMAGE, install_kfp_package=False)
def prepare(model: str, environment: str, as_of: str, dataset: dsl.Output[dsl.Dataset]):
    """Read the source, check it against the schema, split its rows and store them."""
    from pathlib import Path

    from titlebout.data import prepare_dataset
    from titlebout.spec import report_error

    with report_error():
        record = prepare_dataset(
            model=model, environment=environment, as_of=as_of or None, out=Path(dataset.path)
        )
    dataset.metadata.update({"digest": record.digest, "rows": record.rows})
