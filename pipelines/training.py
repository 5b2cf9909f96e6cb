"""From raw data to a verdict: prepare ▸ train ▸ evaluate ▸ validate ▸ gate."""

from pathlib import Path
from typing import NamedTuple

from kfp import compiler, dsl

from components.evaluate import evaluate
from components.gate import gate
from components.prepare import prepare
from components.train import train
from components.validate import validate

COMPILED = Path(__file__).with_suffix(".yaml")


class Records(NamedTuple):
    dataset: dsl.Dataset
    training: dsl.Model
    evaluation: dsl.Artifact
    validation: dsl.Artifact
    verdict: dsl.Artifact


@dsl.pipeline(name="training", description="From raw data to a verdict.")
def training(model: str, environment: str, as_of: str = "", tune: bool = True) -> Records:
    # Steps are never taken from KFP's cache: it keys on parameters and addresses, and the source's content may have changed.
    frozen = prepare(model=model, environment=environment, as_of=as_of).set_caching_options(False)
    fitted = train(model=model, environment=environment, tune=tune, dataset=frozen.outputs["dataset"]).set_caching_options(False)
    measured = evaluate(
        model=model, environment=environment, dataset=frozen.outputs["dataset"], training=fitted.outputs["training"]
    ).set_caching_options(False)
    checked = validate(model=model, environment=environment, evaluation=measured.outputs["evaluation"]).set_caching_options(False)
    decided = gate(
        model=model,
        environment=environment,
        evaluation=measured.outputs["evaluation"],
        validation=checked.outputs["validation"],
    ).set_caching_options(False)
    return Records(
        dataset=frozen.outputs["dataset"],
        training=fitted.outputs["training"],
        evaluation=measured.outputs["evaluation"],
        validation=checked.outputs["validation"],
        verdict=decided.outputs["verdict"],
    )


if __name__ == "__main__":
    compiler.Compiler().compile(training, str(COMPILED))
