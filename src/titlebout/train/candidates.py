"""Run the training step: the overfit checks, then the baseline, then the candidates.

Each model is a whole inference pipeline in its own folder.
"""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from titlebout.data import PartRows, keep_seen, load_part, seen_rows
from titlebout.packaging import write_model
from titlebout.spec import (
    TRAINING_FILE,
    Contract,
    Dataset,
    FittedCandidate,
    ModelSpec,
    SeenRows,
    Training,
    find_project,
    load_environment,
    load_model_spec,
    print_step_progress,
)
from titlebout.storage import Storage, open_storage
from titlebout.train.candidate_settings import (
    CandidateSettings,
    DecidedSettings,
    locked_settings,
    may_tune,
    tuned_settings,
)
from titlebout.train.estimators import BASELINE, baseline_pipeline, build_pipeline, weakest_pipeline
from titlebout.train.fitting import Build, Cost, fit_measured, scores
from titlebout.train.folds import Fold, cross_validate, make_folds
from titlebout.train.make_contract import make_contract, parity_rows
from titlebout.train.overfit import OverfitCheck, overfit_check
from titlebout.train.threshold import cheapest_threshold

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

# Cross-validation and tuning see at most so many rows. Settings rank the same on 20,000 rows as on
# a million, and a trial stays below two seconds on two cores. The final fit sees all rows.
SAMPLE_MAX_ROWS = 20_000
NO_FOLDS = "too few rows, days or groups for folds that hold every class"


class _Material(NamedTuple):
    """Hold what candidates are fitted on and cross-validated on.

    They are fitted on `train`, and cross-validated on `folds` of `sample`.
    """

    spec: ModelSpec
    dataset: Dataset
    train: PartRows
    sample: PartRows
    folds: list[Fold]
    validation: PartRows
    seen: SeenRows
    parity: Any


def train_candidates(
    *, model: str, environment: str, dataset: Path, out: Path, tune: bool | None = None
) -> Training:
    """Write `out/training.json` and one model folder per candidate and for the baseline.

    `tune` None leaves tuning to the environment. Raise SpecError if model.yaml or the settings lock
    is wrong, and NotAllowed if tuning is asked for where it is forbidden.
    """
    project = find_project()
    spec, declared = load_model_spec(project, model), load_environment(project, environment)
    tuning, untuned = may_tune(declared, tune), locked_settings(project, spec)
    storage = open_storage(project, declared.storage)
    material = _load(spec, Dataset.from_json(dataset), storage)
    checks = {name: _check_overfit(name, material) for name in spec.candidates}
    decided = _decide_settings(project, material, untuned=untuned, tuning=tuning)
    for caveat in decided.caveats:
        print_step_progress(caveat)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    fitted = [_train_baseline(material, out)]
    fitted += [
        _train(name, material, decided.settings[name], check=checks[name], out=out)
        for name in spec.candidates
    ]
    training = Training(
        model=model,
        configuration_digest=spec.digest,
        dataset=material.dataset.digest,
        metric=spec.metric,
        candidates=tuple(fitted),
        tuned=decided.tuned,
        settings_digest=decided.lock_digest,
        settings_caveats=decided.caveats,
        tuned_on=keep_seen(storage, decided.seen) if decided.lock_digest else None,
        overfit_check=_checks_in_words(checks),
    )
    log.info("trained %d candidates of %s", len(fitted), model)
    (out / TRAINING_FILE).write_text(training.canonical_json(), encoding="utf-8")
    return training


def _load(spec: ModelSpec, dataset: Dataset, storage: Storage) -> _Material:
    """Load the parts. Of the later ones only validation's labels are used, for the threshold."""
    train, validation, holdout = (
        load_part(storage, dataset, part) for part in ("train", "validation", "holdout")
    )
    sample = train.sample(SAMPLE_MAX_ROWS, seed=spec.seed)
    if len(sample.y) < len(train.y):
        print_step_progress(
            f"cross-validation on {len(sample.y):,} of {len(train.y):,} training rows; "
            "the final fits see all of them"
        )
    return _Material(
        spec=spec,
        dataset=dataset,
        train=train,
        sample=sample,
        folds=make_folds(spec, sample),
        validation=validation,
        seen=seen_rows(dataset, train, validation),
        parity=parity_rows(holdout.X, seed=spec.seed),
    )


def _decide_settings(
    project: Path, material: _Material, *, untuned: DecidedSettings, tuning: bool
) -> DecidedSettings:
    if not (tuning and any(candidate.search for candidate in material.spec.candidates.values())):
        return untuned
    return tuned_settings(
        project,
        material.spec,
        sample=material.sample,
        folds=material.folds,
        classes=len(material.dataset.classes),
        dataset=material.dataset.digest,
        seen=material.seen,
    )


def _check_overfit(name: str, material: _Material) -> OverfitCheck:
    """Check without any settings: what tuning chose or a lock holds must not change the answer."""
    check = overfit_check(
        name,
        lambda X: weakest_pipeline(name, material.spec, X=X),
        material.train,
        spec=material.spec,
    )
    if not check.passed:
        print_step_progress(f"overfit check failed: {check.words}")
    return check


def _checks_in_words(checks: dict[str, OverfitCheck]) -> str:
    outcome = "passed" if all(check.passed for check in checks.values()) else "failed"
    return f"{outcome}: {'; '.join(check.words for check in checks.values())}"


def _train_baseline(material: _Material, out: Path) -> FittedCandidate:
    def build(X: "pd.DataFrame") -> Any:
        return baseline_pipeline(material.spec, X=X)

    fold_scores = _cross_validate(BASELINE, build, material)
    fitted, cost = fit_measured(BASELINE, build(material.train.X), material.train)
    _write(BASELINE, fitted, material, out)
    return FittedCandidate(
        name=BASELINE, estimator="constant", settings={}, **_measured(fold_scores, cost)
    )


def _train(
    name: str, material: _Material, settings: CandidateSettings, *, check: OverfitCheck, out: Path
) -> FittedCandidate:
    build = _builder(name, material.spec, settings)
    fold_scores = settings.fold_scores or _cross_validate(name, build, material)
    fitted, cost = fit_measured(name, build(material.train.X), material.train)
    contract = _write(name, fitted, material, out)
    print_step_progress(
        f"{name} fitted to {len(material.train.y):,} rows in {cost.seconds:.1f} s; "
        f"served by {contract.engine.name}"
    )
    return FittedCandidate(
        name=name,
        estimator=material.spec.candidates[name].estimator,
        settings=settings.values,
        settings_from=settings.origin,
        fits_batch=check.passed,
        overfit_check=check.words,
        **_measured(fold_scores, cost),
    )


def _builder(name: str, spec: ModelSpec, settings: CandidateSettings) -> Build:
    return lambda X: build_pipeline(name, spec, X=X, settings=settings.chosen)


def _cross_validate(name: str, build: Build, material: _Material) -> tuple[float, ...]:
    classes = len(material.dataset.classes)
    return cross_validate(
        name, build, material.sample, folds=material.folds, spec=material.spec, classes=classes
    )


def _measured(fold_scores: tuple[float, ...], cost: Cost) -> dict[str, Any]:
    return {
        "cross_validated": float(np.mean(fold_scores)) if fold_scores else None,
        "fold_scores": fold_scores,
        "skipped": None if fold_scores else NO_FOLDS,
        "fit_seconds": cost.seconds,
        "peak_memory_bytes": cost.peak_memory_bytes,
    }


def _write(name: str, fitted: Any, material: _Material, out: Path) -> Contract:
    spec, threshold = material.spec, None
    if spec.task == "binary":
        probability = scores(fitted, material.validation.X, spec=spec, classes=2)
        threshold = cheapest_threshold(
            material.validation.y, probability, costs=spec.brief.error_costs
        )
    contract = make_contract(
        name, spec, material.dataset, frame=material.train.frame, threshold=threshold
    )
    return write_model(out / name, pipeline=fitted, contract=contract, sample=material.parity)
