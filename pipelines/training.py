"""Define the training pipeline: prepare ▸ train ▸ evaluate ▸ validate ▸ gate."""

import sys
from pathlib import Path
from typing import NamedTuple

from kfp import compiler, dsl

from components.evaluate import evaluate
from components.gate import gate
from components.prepare import prepare
from components.train import train
from components.validate import validate
from pipelines.pods import SOURCE_SECRETS, allow_reading_prod, configure_pod

COMPILED = Path(__file__).with_suffix(".yaml")


class Records(NamedTuple):
    """Hold what the pipeline gives: each step's record."""

    dataset: dsl.Dataset
    training: dsl.Model
    evaluation: dsl.Artifact
    validation: dsl.Artifact
    verdict: dsl.Artifact


@dsl.pipeline(name="training", description="From raw data to a verdict.")
def training(model: str, environment: str, as_of: str = "", tune: bool = True) -> Records:
    """Train a model from raw data to a verdict."""
    prepared = allow_reading_prod(
        configure_pod(
            prepare(model=model, environment=environment, as_of=as_of), secrets=SOURCE_SECRETS
        )
    )
    dataset = prepared.outputs["dataset"]
    fitted = configure_pod(train(model=model, environment=environment, tune=tune, dataset=dataset))
    measured = configure_pod(
        evaluate(
            model=model,
            environment=environment,
            dataset=dataset,
            training=fitted.outputs["training"],
        )
    )
    evaluation = measured.outputs["evaluation"]
    checked = configure_pod(validate(model=model, environment=environment, evaluation=evaluation))
    decided = configure_pod(
        gate(
            model=model,
            environment=environment,
            evaluation=evaluation,
            validation=checked.outputs["validation"],
        )
    )
    return Records(
        dataset=dataset,
        training=fitted.outputs["training"],
        evaluation=evaluation,
        validation=checked.outputs["validation"],
        verdict=decided.outputs["verdict"],
    )


if __name__ == "__main__":
    compiler.Compiler().compile(training, sys.argv[1] if sys.argv[1:] else str(COMPILED))
