"""Run the validation step: every check on the registered version.

A version that passes becomes the Challenger. One that fails stays registered with the reasons.
"""

import logging
import tempfile
from pathlib import Path

from titlebout.data import load_dataset
from titlebout.registry import Registry, Version
from titlebout.spec import (
    EVALUATION_FILE,
    VALIDATION_FILE,
    Check,
    Environment,
    Evaluation,
    IntegrityError,
    ModelSpec,
    RegistryError,
    Validation,
    find_project,
    load_environment,
    load_model_spec,
)
from titlebout.storage import open_storage
from titlebout.validate.artifact_checks import (
    format_check,
    latency_check,
    metadata_check,
    size_check,
)
from titlebout.validate.slice_check import slice_check
from titlebout.validate.threshold_checks import (
    baseline_check,
    leak_check,
    overfit_batch_check,
    threshold_checks,
)

log = logging.getLogger(__name__)

CHALLENGER = "challenger"
PASSED, FAILED = "passed", "failed"
TAG_CHARACTERS = 4500  # MLflow holds 5,000 per tag


def validate_version(*, model: str, environment: str, evaluation: Path, out: Path) -> Validation:
    """Write `out/validation.json` and tag the version. A failed validation is a result, no error.

    `evaluation` is the folder that `evaluate` wrote. Raise RegistryError if the version is missing.
    """
    project = find_project()
    spec, declared = load_model_spec(project, model), load_environment(project, environment)
    measured = Evaluation.from_json(evaluation / EVALUATION_FILE)
    registry = Registry.connect(project, declared)
    version = _find_version(registry, measured)
    checks = [
        *_artifact_checks(project, declared, spec, registry, version=version, evaluation=measured),
        *_figure_checks(spec, measured),
    ]
    status = PASSED if all(check.passed for check in checks) else FAILED
    log.info("validation of %s, version %s: %s", model, version.version, status)
    validation = Validation(
        model=model,
        version=version.version,
        model_digest=measured.model_digest,
        status=status,
        checks=tuple(checks),
    )
    _publish(registry, version, validation)
    out.mkdir(parents=True, exist_ok=True)
    (out / VALIDATION_FILE).write_text(validation.canonical_json(), encoding="utf-8")
    return validation


def _find_version(registry: Registry, evaluation: Evaluation) -> Version:
    version = registry.find(evaluation.model, version=evaluation.version)
    if version is None:
        raise RegistryError(
            f"{evaluation.model}, version {evaluation.version}",
            expected="the version that the evaluation registered",
            found="no such version",
            next_step="evaluate again",
        )
    return version


def _artifact_checks(
    project: Path,
    environment: Environment,
    spec: ModelSpec,
    registry: Registry,
    *,
    version: Version,
    evaluation: Evaluation,
) -> list[Check]:
    with tempfile.TemporaryDirectory() as work:
        try:
            folder = registry.download(version, Path(work) / "model")
        except IntegrityError as error:
            return [Check(name="format", passed=False, detail=str(error))]
        format_found, predictor = format_check(folder, digest=evaluation.model_digest)
        if predictor is None:
            return [format_found, size_check(folder)]
        dataset = load_dataset(open_storage(project, environment.storage), evaluation.dataset)
        metadata = metadata_check(version, predictor.contract, spec=spec, dataset=dataset)
        return [
            format_found,
            metadata,
            latency_check(predictor, p99_ms=spec.service.p99_ms),
            size_check(folder),
        ]


def _figure_checks(spec: ModelSpec, evaluation: Evaluation) -> list[Check]:
    return [
        overfit_batch_check(evaluation),
        *threshold_checks(spec, evaluation),
        baseline_check(evaluation),
        slice_check(spec, evaluation),
        leak_check(spec, evaluation),
    ]


def _publish(registry: Registry, version: Version, validation: Validation) -> None:
    """Write the reasons before the status, and the alias last.

    If the process is killed in between, the version is no Challenger yet, and the step can run
    again.
    """
    failures = "; ".join(
        f"{check.name}: {check.detail}" for check in validation.checks if not check.passed
    )
    registry.tag(version, validation_failures=failures[:TAG_CHARACTERS])
    registry.tag(version, validation_status=validation.status)
    if validation.status == PASSED:
        registry.set_alias(version.model, CHALLENGER, version)
    elif CHALLENGER in version.aliases:
        registry.clear_alias(version.model, CHALLENGER)
