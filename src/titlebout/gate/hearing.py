"""The bout itself: fetch both models, prove that neither has seen the holdout, score them, judge. Whatever goes wrong rejects.

What is no verdict but an error: the registry is away, or this code is wrong. Nothing is known then about the Challenger.
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from titlebout.data import Frame, load_dataset, load_part, proof_in_words
from titlebout.gate.case import Case
from titlebout.gate.contestant import Contestant, from_run, from_version, require_not_tuned_on, require_same_question, require_unseen
from titlebout.gate.judge import Scored, judge, recorded, refuse
from titlebout.metrics import disagreement, spread_of
from titlebout.registry import Registry, Version
from titlebout.spec import DataError, Dataset, Disagreement, InputError, IntegrityError, SpecError, Verdict
from titlebout.storage import Storage

REFUSING = (DataError, InputError, IntegrityError, SpecError)  # each says something about the models or the rows, none about servers


class _Refused(Exception):
    """Carries the reasons up to `hear`."""


def hear(case: Case, registry: Registry, storage: Storage) -> Verdict:
    """Raises RegistryError if the registry cannot be asked."""
    holdout = None
    try:
        dataset = _dataset(case, storage)
        holdout = dataset.parts["holdout"].rows_digest
        verdict = judge(case.bout(holdout), _scored(case, registry, storage, dataset))
        return verdict.model_copy(update={"unseen": proof_in_words(dataset)})
    except _Refused as refused:
        return refuse(case.bout(holdout), *refused.args)


@contextmanager
def _or_refuse(what: str, *, advise: bool = False) -> Iterator[None]:
    """Turn an error into a reason, without its subject, which may name a folder of this machine: a verdict's digest is of content.

    `advise` adds the next step, where the error is about rows and not about files.
    """
    try:
        yield
    except REFUSING as error:
        next_step = f"; next: {error.next_step}" if advise and isinstance(error, DataError) else ""
        raise _Refused(f"{what}: expected {error.expected}; found {error.found}{next_step}") from error


def _dataset(case: Case, storage: Storage) -> Dataset:
    with _or_refuse("the Challenger's dataset"):
        return load_dataset(storage, case.evaluation.dataset)


def _scored(case: Case, registry: Registry, storage: Storage, dataset: Dataset) -> Scored:
    if objections := (*case.objections, *_against_validation(case)):
        raise _Refused(*objections)
    challenger, champion = _challenger(case, registry), _champion(case, registry)
    for name, version in (("Challenger", challenger), ("Champion", champion)):
        if version is not None:
            with _or_refuse(f"the rows that the {name} was trained on", advise=True):
                require_unseen(storage, dataset, version)
            with _or_refuse(f"the rows that the {name}'s settings were tuned on", advise=True):
                require_not_tuned_on(storage, dataset, version)
    with _or_refuse("the holdout"):
        holdout = load_part(storage, dataset, "holdout")
    with tempfile.TemporaryDirectory(prefix="titlebout-gate-") as work:
        first, second = _contestants(case, registry, challenger, champion, work=Path(work))
        with _or_refuse("the two models' questions"):
            require_same_question(first, second, dataset)
        challenger_scores, opponent_scores = _scores(first, holdout), _scores(second, holdout)
        apart = _disagreement(first.predictions(challenger_scores), second.predictions(opponent_scores))
        return Scored(holdout.y, challenger_scores, opponent_scores, holdout.days, holdout.groups, apart)


def _against_validation(case: Case) -> list[str]:
    found, expected = case.validation, case.evaluation
    if (found.version, found.model_digest) != (expected.version, expected.model_digest):
        return [f"the validation is of another model ({found.model_digest[:12]})"]
    if found.status != "passed":
        failed = "; ".join(f"{check.name}: {check.detail}" for check in found.checks if not check.passed)
        return [f"validation {found.status}: {failed}"]
    return []


def _challenger(case: Case, registry: Registry) -> Version:
    """The registered version that was evaluated, unchanged since."""
    evaluation = case.evaluation
    version = registry.find(evaluation.model, version=evaluation.version)
    if version is None:
        raise _Refused("the registry no longer holds the Challenger's version")
    expected = {"model_digest": evaluation.model_digest, "dataset": evaluation.dataset, "validation_status": "passed"}
    if wrong := [f"{tag} {version.tags.get(tag, 'missing')}" for tag, value in expected.items() if version.tags.get(tag) != value]:
        raise _Refused(f"the Challenger's version is tagged otherwise than it was evaluated: {', '.join(wrong)}")
    return version


def _champion(case: Case, registry: Registry) -> Version | None:
    """None where the baseline stands in."""
    if case.opponent == "baseline":
        return None
    version = registry.find(case.evaluation.model, digest=case.opponent_digest) if case.opponent_digest else None
    if version is None:
        raise _Refused("the registry holds no version with the Champion's digest")
    return version


def _contestants(
    case: Case, registry: Registry, challenger: Version, champion: Version | None, *, work: Path
) -> tuple[Contestant, Contestant]:
    with _or_refuse("the Challenger's model"):
        first = from_version(registry, challenger, name="Challenger", work=work)
    with _or_refuse(f"the {case.opponent.capitalize()}'s model"):
        if champion is not None:
            return first, from_version(registry, champion, name="Champion", work=work)
        return first, from_run(registry, challenger.run_id, digest=case.evaluation.baseline_digest, work=work)


def _disagreement(challenger: Sequence[Any], opponent: Sequence[Any]) -> Disagreement | None:
    """None where a prediction is no finite number: the judge says so."""
    spread = spread_of(opponent)
    share = disagreement(opponent, challenger, spread=spread)
    if not math.isfinite(share) or (spread is not None and not math.isfinite(spread)):
        return None
    return Disagreement(share=recorded(share), spread=None if spread is None else recorded(spread))


def _scores(contestant: Contestant, holdout: Frame) -> NDArray[np.float64]:
    with _or_refuse(f"the {contestant.name}'s scores"):
        return contestant.scores(holdout)
