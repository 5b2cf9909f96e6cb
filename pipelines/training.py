"""From raw data to a verdict: prepare ▸ train ▸ evaluate ▸ validate ▸ gate."""

import sys
from pathlib import Path
from typing import NamedTuple

from kfp import compiler, dsl

from components.evaluate import evaluate
from components.gate import gate
from components.prepare import prepare
from components.train import train
from components.validate import validate
from pipelines.pods import SOURCE_SECRETS, in_its_namespace, reading_prod

COMPILED = Path(__file__).with_suffix(".yaml")


class Records(NamedTuple):
    dataset: dsl.Dataset
    training: dsl.Model
    evaluation: dsl.Artifact
    validation: dsl.Artifact
    verdict: dsl.Artifact


@dsl.pipeline(name="training", description="From raw data to a verdict.")
def training(model: str, environment: str, as_of: str = "", tune: bool = True) -> Records:
    frozen = reading_prod(
        in_its_namespace(
            prepare(model=model, environment=environment, as_of=as_of), secrets=SOURCE_SECRETS
        )
    )
    dataset = frozen.outputs["dataset"]
    fitted = in_its_namespace(
        train(model=model, environment=environment, tune=tune, dataset=dataset)
    )
    measured = in_its_namespace(
        evaluate(
            model=model,
            environment=environment,
            dataset=dataset,
            training=fitted.outputs["training"],
        )
    )
    evaluation = measured.outputs["evaluation"]
    checked = in_its_namespace(
        validate(model=model, environment=environment, evaluation=evaluation)
    )
    decided = in_its_namespace(
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
