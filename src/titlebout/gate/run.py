"""Fetch both models, prove that neither has seen the holdout, score it, and reach the verdict.

Whatever is wrong with the models or the rows rejects the Challenger. If the registry does not
answer, or this code is wrong, nothing is known of the Challenger: that is an error, no verdict.
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from titlebout.data import PartRows, load_dataset, load_part, proof_in_words
from titlebout.gate.compared_model import (
    ComparedModel,
    from_run,
    from_version,
    require_not_tuned_on,
    require_same_question,
    require_unseen,
)
from titlebout.gate.inputs import GateInput
from titlebout.gate.reach_verdict import Scored, reach_verdict, refuse, round_as_recorded
from titlebout.metrics import disagreement, spread_of
from titlebout.registry import Registry, Version
from titlebout.spec import (
    DataError,
    Dataset,
    Disagreement,
    InputError,
    IntegrityError,
    SpecError,
    Verdict,
)
from titlebout.storage import Storage

# Each says something about the models or the rows, none about servers.
ERRORS_AGAINST_CHALLENGER = (DataError, InputError, IntegrityError, SpecError)


class _Refused(Exception):
    """Carry the reasons up to `run_gate`."""


def run_gate(gate_input: GateInput, registry: Registry, storage: Storage) -> Verdict:
    """Return the verdict. Raise RegistryError if the registry does not answer."""
    holdout = None
    try:
        dataset = _dataset(gate_input, storage)
        holdout = dataset.parts["holdout"].rows_digest
        verdict = reach_verdict(
            gate_input.setup(holdout), _scored(gate_input, registry, storage, dataset)
        )
        return verdict.model_copy(update={"unseen": proof_in_words(dataset)})
    except _Refused as refused:
        return refuse(gate_input.setup(holdout), *refused.args)


@contextmanager
def _or_refuse(what: str, *, advise: bool = False) -> Iterator[None]:
    """Turn an error into a reason against the Challenger.

    The error's subject may name a folder of this machine, and a verdict's digest is of content. So
    the subject is left out. `advise` adds the next step, if the error is about rows.
    """
    try:
        yield
    except ERRORS_AGAINST_CHALLENGER as error:
        next_step = f"; next: {error.next_step}" if advise and isinstance(error, DataError) else ""
        raise _Refused(
            f"{what}: expected {error.expected}; found {error.found}{next_step}"
        ) from error


def _dataset(gate_input: GateInput, storage: Storage) -> Dataset:
    with _or_refuse("the Challenger's dataset"):
        return load_dataset(storage, gate_input.evaluation.dataset)


def _scored(
    gate_input: GateInput, registry: Registry, storage: Storage, dataset: Dataset
) -> Scored:
    if reasons := (*gate_input.objections, *_against_validation(gate_input)):
        raise _Refused(*reasons)
    challenger, champion = _challenger(gate_input, registry), _champion(gate_input, registry)
    for name, version in (("Challenger", challenger), ("Champion", champion)):
        if version is not None:
            with _or_refuse(f"the rows that the {name} was trained on", advise=True):
                require_unseen(storage, dataset, version)
            with _or_refuse(f"the rows that the {name}'s settings were tuned on", advise=True):
                require_not_tuned_on(storage, dataset, version)
    with _or_refuse("the holdout"):
        holdout = load_part(storage, dataset, "holdout")
    with tempfile.TemporaryDirectory(prefix="titlebout-gate-") as work:
        first, second = _models(gate_input, registry, challenger, champion, work=Path(work))
        with _or_refuse("the two models' questions"):
            require_same_question(first, second, dataset)
        challenger_scores, opponent_scores = (
            _scores(model, holdout, dataset) for model in (first, second)
        )
        apart = _disagreement(
            first.predictions(challenger_scores), second.predictions(opponent_scores)
        )
        return Scored(
            holdout.y, challenger_scores, opponent_scores, holdout.days, holdout.groups, apart
        )


def _against_validation(gate_input: GateInput) -> list[str]:
    found, expected = gate_input.validation, gate_input.evaluation
    if (found.version, found.model_digest) != (expected.version, expected.model_digest):
        return [f"the validation is of another model ({found.model_digest[:12]})"]
    if found.status != "passed":
        failed = "; ".join(
            f"{check.name}: {check.detail}" for check in found.checks if not check.passed
        )
        return [f"validation {found.status}: {failed}"]
    return []


def _challenger(gate_input: GateInput, registry: Registry) -> Version:
    """Return the registered version that was evaluated. Refuse if it was changed since."""
    evaluation = gate_input.evaluation
    version = registry.find(evaluation.model, version=evaluation.version)
    if version is None:
        raise _Refused("the registry no longer holds the Challenger's version")
    expected = {
        "model_digest": evaluation.model_digest,
        "dataset": evaluation.dataset,
        "validation_status": "passed",
    }
    if wrong := [
        f"{tag} {version.tags.get(tag, 'missing')}"
        for tag, value in expected.items()
        if version.tags.get(tag) != value
    ]:
        raise _Refused(
            "the Challenger's version is tagged otherwise than it was evaluated: "
            + ", ".join(wrong)
        )
    return version


def _champion(gate_input: GateInput, registry: Registry) -> Version | None:
    """Return the Champion's version, or None if the opponent is the baseline."""
    if gate_input.opponent == "baseline":
        return None
    version = (
        registry.find(gate_input.evaluation.model, digest=gate_input.opponent_digest)
        if gate_input.opponent_digest
        else None
    )
    if version is None:
        raise _Refused("the registry holds no version with the Champion's digest")
    return version


def _models(
    gate_input: GateInput,
    registry: Registry,
    challenger: Version,
    champion: Version | None,
    *,
    work: Path,
) -> tuple[ComparedModel, ComparedModel]:
    with _or_refuse("the Challenger's model"):
        first = from_version(registry, challenger, name="Challenger", work=work)
    with _or_refuse(f"the {gate_input.opponent.capitalize()}'s model"):
        if champion is not None:
            return first, from_version(registry, champion, name="Champion", work=work)
        return first, from_run(
            registry, challenger.run_id, digest=gate_input.evaluation.baseline_digest, work=work
        )


def _disagreement(challenger: Sequence[Any], opponent: Sequence[Any]) -> Disagreement | None:
    """Return how far the predictions differ, or None if one is no finite number."""
    spread = spread_of(opponent)
    share = disagreement(opponent, challenger, spread=spread)
    if not math.isfinite(share) or (spread is not None and not math.isfinite(spread)):
        return None
    return Disagreement(
        share=round_as_recorded(share),
        spread=None if spread is None else round_as_recorded(spread),
    )


def _scores(model: ComparedModel, holdout: PartRows, dataset: Dataset) -> NDArray[np.float64]:
    with _or_refuse(f"the {model.name}'s scores"):
        return model.scores(holdout, dataset)
