"""Register the chosen candidate as a version that is pending validation, with its lineage.

The run holds everything that was measured.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from titlebout.evaluate.measured import Measured
from titlebout.registry import Registry
from titlebout.spec import CONFIGURATION_TAG, Dataset, Evaluation, ModelSpec, Training, code_version

PENDING = "pending"
# Where the run's artifacts hold the baseline's model folder. The gate may need it as an opponent.
BASELINE_FOLDER = "baseline"


class Registration(NamedTuple):
    """Name the run and the version that were registered."""

    run_id: str
    version: str


def register_chosen(
    registry: Registry,
    project: Path,
    spec: ModelSpec,
    *,
    dataset: Dataset,
    training: Training,
    chosen: Measured,
    baseline: Measured,
) -> Registration:
    """Register the candidate, or return its version if it is still pending.

    A pending version of the same content was left by an interrupted run, and is used again.
    """
    registry.ensure_model(spec.name)
    lineage = {
        "dataset": dataset.digest,
        "code_version": code_version(project),
        CONFIGURATION_TAG: training.configuration_digest,
        "settings_digest": training.settings_digest or "",
        "candidate": chosen.name,
        "baseline_digest": baseline.digest,
        **_tuned_on(training, chosen.name),
    }
    existing = registry.find(spec.name, digest=chosen.digest)
    if (
        existing is not None
        and existing.tags.get("validation_status") == PENDING
        and lineage.items() <= existing.tags.items()
    ):
        return Registration(existing.run_id, existing.version)
    run_id = registry.start_run(
        spec.name, name=f"{chosen.name} on {dataset.digest[:8]}", tags=lineage
    )
    for path in sorted(path for path in baseline.folder.rglob("*") if path.is_file()):
        folder = Path(BASELINE_FOLDER) / path.relative_to(baseline.folder).parent
        registry.log_file(run_id, path, folder=folder.as_posix())
    tags = {**lineage, "validation_status": PENDING}
    version = registry.register(spec.name, run_id, chosen.folder, chosen.predictor.contract, tags)
    return Registration(run_id, version.version)


def _tuned_on(training: Training, chosen: str) -> dict[str, str]:
    """Return the tag by which the gate finds the rows that the chosen settings were tuned on.

    Return nothing for model.yaml's settings, which were not tuned.
    """
    untuned = any(
        one.name == chosen and one.settings_from == "model.yaml" for one in training.candidates
    )
    return {} if untuned or training.tuned_on is None else {"tuned_on": training.tuned_on}


def log_results(
    registry: Registry,
    registration: Registration,
    *,
    evaluation: Evaluation,
    training: Training,
    files: Sequence[Path],
) -> None:
    """Log the run's parameters, metrics and files, and finish the run."""
    registry.log_params(registration.run_id, _params(training))
    registry.log_metrics(registration.run_id, _metrics(evaluation))
    for path in files:
        registry.log_file(registration.run_id, path)
    registry.finish_run(registration.run_id, "FINISHED")


def _params(training: Training) -> dict[str, Any]:
    named = {
        f"{one.name}.{setting}": value
        for one in training.candidates
        for setting, value in one.settings.items()
    }
    return {
        "dataset": training.dataset,
        "metric": training.metric,
        "tuned": training.tuned,
        **named,
    }


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    """Return the metrics by name without NaN, which MLflow would store as a number."""
    named = {
        f"{part}/{one.name}/{metric}": estimate.value
        for one in evaluation.candidates
        for part, metrics in one.metrics.items()
        for metric, estimate in metrics.items()
    }
    return {name: value for name, value in named.items() if value == value}  # noqa: PLR0124
