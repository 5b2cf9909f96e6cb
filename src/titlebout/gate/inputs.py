"""Gather what a verdict is reached from, beyond what is found by digest.

It is stored beside the verdict, so that the verdict can be reached again.
"""

from pathlib import Path
from typing import Literal

from titlebout.gate.reach_verdict import ComparisonSetup
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
    """Hold what the gate decides by.

    `objections` are reasons against the Challenger from files that people may change later. So they
    are found once, when the input is gathered.
    """

    evaluation: Evaluation
    validation: Validation
    opponent: Literal["champion", "baseline"]
    opponent_digest: str | None
    policy: GatePolicy | None
    confidence: float
    seed: int
    objections: tuple[str, ...]

    def setup(self, holdout: str | None) -> ComparisonSetup:
        """Return the setup; `holdout` is the digest of its rows, None if they cannot be read."""
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
    """Find the opponent and the policy of today.

    Raise RegistryError if the registry does not answer.
    """
    policy, seed, reasons_against = _policy(project, evaluation)
    opponent, digest = _opponent(environment, registry, evaluation)
    return GateInput(
        evaluation=evaluation,
        validation=validation,
        opponent=opponent,
        opponent_digest=digest,
        policy=policy,
        confidence=environment.gate.confidence,
        seed=seed,
        objections=reasons_against,
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
    reasons_against = []
    if spec.metric != evaluation.metric:
        reasons_against.append(
            f"model.yaml asks for {spec.metric}, "
            f"but the Challenger was chosen by {evaluation.metric}"
        )
    looked_at = {result.column for result in evaluation.slices}
    if spec.slices.unmeasured == "warn":
        looked_at |= {small.column for small in evaluation.small_slices}
    reasons_against += [
        f"no slice of {column} was measured"
        for column in spec.slices.columns
        if column not in looked_at
    ]
    return reasons_against


def _warnings(evaluation: Evaluation, validation: Validation) -> tuple[str, ...]:
    """Return what a person should read before a release, whatever the comparison says."""
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
