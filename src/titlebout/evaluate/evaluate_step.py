"""Run the evaluation step: measure all, choose one on the validation part, report, register."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from titlebout import metrics
from titlebout.data import PartRows
from titlebout.evaluate.calibration import calibration
from titlebout.evaluate.choose import Choice, choose
from titlebout.evaluate.decisions import curves, decisions
from titlebout.evaluate.importance import permutation_losses
from titlebout.evaluate.leaks import find_leaks
from titlebout.evaluate.measured import Measured, measure, summary
from titlebout.evaluate.read_parts import read_parts
from titlebout.evaluate.registration import Registration, log_results, register_chosen
from titlebout.evaluate.report_page import MATERIAL_FILE, PAGE_FILE, PageMaterial, write_page
from titlebout.evaluate.residuals import residuals
from titlebout.evaluate.slices import measure_slices
from titlebout.registry import Registry
from titlebout.spec import (
    EVALUATION_FILE,
    METRICS,
    TRAINING_FILE,
    CandidateEvaluation,
    DataError,
    Dataset,
    Environment,
    Estimate,
    Evaluation,
    IntegrityError,
    Lead,
    ModelSpec,
    SpecError,
    Training,
    find_project,
    load_environment,
    load_model_spec,
)
from titlebout.storage import layout, open_storage

log = logging.getLogger(__name__)

BASELINE = "baseline"


class Study(NamedTuple):
    """Hold what is known before anything is registered."""

    spec: ModelSpec
    environment: Environment
    dataset: Dataset
    training: Training
    parts: Mapping[str, PartRows]
    measured: Mapping[str, Measured]
    summaries: tuple[CandidateEvaluation, ...]
    choice: Choice

    @property
    def chosen(self) -> Measured:
        """Return the chosen candidate."""
        return self.measured[self.choice.name]


def evaluate_candidates(
    *, model: str, environment: str, dataset: Path, training: Path, out: Path
) -> Evaluation:
    """Write `out/evaluation.json` and `out/report.html`, and register the chosen candidate.

    The version is registered as pending, and the MLflow run is logged. `dataset` is the file of
    the dataset's record, `training` the folder that `train` wrote.
    """
    project = find_project()
    spec, declared = load_model_spec(project, model), load_environment(project, environment)
    registry = Registry.connect(project, declared)
    record, trained = Dataset.from_json(dataset), Training.from_json(training / TRAINING_FILE)
    _check_same_dataset(record, trained)
    _check_same_configuration(spec, trained)
    storage = open_storage(project, declared.storage)
    storage.write_record(spec, *layout.configuration(spec.digest))
    parts = read_parts(storage, record, seed=spec.seed)
    study = _study(spec, declared, record=record, trained=trained, folder=training, parts=parts)
    registration = register_chosen(
        registry,
        project,
        spec,
        dataset=record,
        training=trained,
        chosen=study.chosen,
        baseline=_baseline(study),
    )
    evaluation = _evaluation(study, registration)
    log.info("evaluated %s: chose %s", model, study.chosen.name)
    out.mkdir(parents=True, exist_ok=True)
    (out / EVALUATION_FILE).write_text(evaluation.canonical_json(), encoding="utf-8")
    material = PageMaterial(spec=spec, training=trained, dataset=record)
    (out / MATERIAL_FILE).write_text(material.canonical_json(), encoding="utf-8")
    write_page(out / PAGE_FILE, material, evaluation=evaluation)
    log_results(
        registry,
        registration,
        evaluation=evaluation,
        training=trained,
        files=[out / EVALUATION_FILE, out / PAGE_FILE],
    )
    return evaluation


def _study(
    spec: ModelSpec,
    environment: Environment,
    *,
    record: Dataset,
    trained: Training,
    folder: Path,
    parts: Mapping[str, PartRows],
) -> Study:
    measured = {one.name: measure(one.name, folder / one.name, parts) for one in trained.candidates}
    summaries = tuple(
        summary(one, parts, spec=spec, confidence=environment.gate.confidence)
        for one in measured.values()
    )
    candidates = [one for one in measured.values() if one.name != BASELINE]
    choice = choose(spec, trained.candidates, candidates, parts["validation"])
    return Study(spec, environment, record, trained, parts, measured, summaries, choice)


def _baseline(study: Study) -> Measured:
    return study.measured[BASELINE]


def _evaluation(study: Study, registration: Registration) -> Evaluation:
    spec, chosen, holdout = study.spec, study.chosen, study.parts["holdout"]
    contract, scores = chosen.predictor.contract, chosen.scores["holdout"]
    confidence = study.environment.gate.confidence
    calibrated = calibration(spec.task, holdout.y, scores, seed=spec.seed)
    slices = measure_slices(spec, holdout, scores, confidence=confidence)
    importance = permutation_losses(spec, chosen, study.parts["validation"], metric=spec.metric)
    return Evaluation(
        model=spec.name,
        dataset=study.dataset.digest,
        run_id=registration.run_id,
        version=registration.version,
        model_digest=chosen.digest,
        baseline_digest=_baseline(study).digest,
        chosen=chosen.name,
        why_chosen=study.choice.why,
        passed_over=study.choice.passed_over,
        fits_batch=next(
            one.fits_batch for one in study.training.candidates if one.name == chosen.name
        ),
        metric=spec.metric,
        threshold=contract.threshold,
        accuracy_served=_accuracy_served(study),
        lead=_lead(study),
        candidates=study.summaries,
        slices=slices.measured,
        small_slices=slices.small,
        importance=importance,
        leaks=find_leaks(spec, study.parts["train"], importance=importance),
        calibration=calibrated.bins,
        calibration_error=calibrated.error,
        calibration_perfect=calibrated.perfect,
        decisions=decisions(contract, holdout, scores, confidence=confidence, seed=spec.seed),
        curves=curves(contract, holdout.y, scores),
        residuals=residuals(spec.task, holdout.y, scores),
    )


def _check_same_configuration(spec: ModelSpec, trained: Training) -> None:
    if spec.digest != trained.configuration_digest:
        raise SpecError(
            f"model.yaml of {spec.name}",
            expected=f"what the candidates were trained by ({trained.configuration_digest[:12]})",
            found=f"an edit since ({spec.digest[:12]})",
            next_step="train again",
        )


def _lead(study: Study) -> Lead | None:
    """Return the chosen candidate's lead over the baseline on the holdout.

    Return None if the metric cannot be computed.
    """
    spec, holdout = study.spec, study.parts["holdout"]
    pair = study.chosen.scores["holdout"], _baseline(study).scores["holdout"]
    try:
        value, baseline = (metrics.score(spec.metric, holdout.y, scores) for scores in pair)
    except DataError:
        return None
    try:
        lead = metrics.paired_difference(
            spec.metric,
            holdout.y,
            *pair,
            blocks=holdout.days,
            groups=holdout.groups,
            confidence=study.environment.gate.confidence,
            seed=spec.seed,
        )
    except metrics.TooFew:
        return Lead(
            value=value - baseline if METRICS[spec.metric].greater_is_better else baseline - value
        )
    return Lead(value=lead.value, low=lead.low, high=lead.high)


def _accuracy_served(study: Study) -> Estimate | None:
    """Return the accuracy at the served threshold, or None unless the model is binary.

    The metric `accuracy` asks at 0.5 which class is likelier.
    """
    threshold = study.chosen.predictor.contract.threshold
    if study.spec.task != "binary" or threshold is None:
        return None
    holdout = study.parts["holdout"]
    decisions = (study.chosen.scores["holdout"] >= threshold).astype(np.float64)
    try:
        return metrics.interval(
            "accuracy",
            holdout.y,
            decisions,
            blocks=holdout.days,
            groups=holdout.groups,
            confidence=study.environment.gate.confidence,
            seed=study.spec.seed,
        )
    except DataError:
        return None


def _check_same_dataset(record: Dataset, trained: Training) -> None:
    if record.digest != trained.dataset:
        raise IntegrityError(
            "the training record",
            expected=f"candidates trained on dataset {record.digest}",
            found=f"dataset {trained.dataset}",
            next_step="train on this dataset, or evaluate on that one",
        )
