"""What a verdict is reached from, beyond what is found by digest; kept beside the verdict, so that it can be reached again."""

from pathlib import Path
from typing import Literal

from titlebout.gate.judge import ComparisonSetup
from titlebout.registry import Registry
from titlebout.spec import (
    Environment,
    Evaluation,
    GatePolicy,
    ModelSpec,
    Record,
    SpecError,
    Validation,
    load_model_spec,
)

CHAMPION = "champion"  # the alias, and the opponent's name in a verdict
WITHOUT_POLICY_SEED = 0  # nothing is drawn without a policy


class GateInput(Record):
    """`objections` come from files that people write and may change later, so they are found once, when the case is opened."""

    evaluation: Evaluation
    validation: Validation
    opponent: Literal["champion", "baseline"]
    opponent_digest: str | None
    policy: GatePolicy | None
    confidence: float
    seed: int
    objections: tuple[str, ...]

    def setup(self, holdout: str | None) -> ComparisonSetup:
        """`holdout` is the digest of its rows, None where the dataset could not be read."""
        return ComparisonSetup(
            model=self.evaluation.model,
            metric=self.evaluation.metric,
            opponent=self.opponent,
            challenger_digest=self.evaluation.model_digest,
            opponent_digest=self.opponent_digest,
            dataset=self.evaluation.dataset,
            holdout=holdout,
            policy=self.policy,
            confidence=self.confidence,
            seed=self.seed,
            warnings=_warnings(self.evaluation, self.validation),
        )


def gather_input(
    project: Path,
    environment: Environment,
    registry: Registry,
    *,
    evaluation: Evaluation,
    validation: Validation,
) -> GateInput:
    """Who the opponent is today, and what model.yaml says today; raises RegistryError if the registry cannot be asked."""
    policy, seed, objections = _policy(project, evaluation)
    opponent, digest = _opponent(environment, registry, evaluation)
    return GateInput(
        evaluation=evaluation,
        validation=validation,
        opponent=opponent,
        opponent_digest=digest,
        policy=policy,
        confidence=environment.gate.confidence,
        seed=seed,
        objections=objections,
    )


def _policy(
    project: Path, evaluation: Evaluation
) -> tuple[GatePolicy | None, int, tuple[str, ...]]:
    try:
        spec = load_model_spec(project, evaluation.model)
    except SpecError as error:
        return (
            None,
            WITHOUT_POLICY_SEED,
            (f"the policy in model.yaml cannot be read: {error.found}",),
        )
    return spec.gate, spec.seed, tuple(_against_spec(spec, evaluation))


def _against_spec(spec: ModelSpec, evaluation: Evaluation) -> list[str]:
    objections = []
    if spec.metric != evaluation.metric:
        objections.append(
            f"model.yaml asks for {spec.metric}, but the Challenger was chosen by {evaluation.metric}"
        )
    looked_at = {result.column for result in evaluation.slices}
    if spec.slices.unmeasured == "warn":
        looked_at |= {small.column for small in evaluation.small_slices}
    objections += [
        f"no slice of {column} was measured"
        for column in spec.slices.columns
        if column not in looked_at
    ]
    return objections


def _warnings(evaluation: Evaluation, validation: Validation) -> tuple[str, ...]:
    """What a person should read before the Challenger is released, whatever the comparison says."""
    passed_over = [
        f"candidate passed over: {why}" for _, why in sorted(evaluation.passed_over.items())
    ]
    return (
        *passed_over,
        *(f"{check.name}: {check.detail}" for check in validation.checks if check.warning),
    )


def _opponent(
    environment: Environment, registry: Registry, evaluation: Evaluation
) -> tuple[Literal["champion", "baseline"], str | None]:
    champion = (
        registry.find(evaluation.model, alias=CHAMPION)
        if environment.gate.opponent == CHAMPION
        else None
    )
    return (
        ("champion", champion.tags.get("model_digest"))
        if champion
        else ("baseline", evaluation.baseline_digest)
    )
