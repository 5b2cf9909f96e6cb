"""Read and write `models/<name>/settings.lock.yaml`: the settings that tuning chose.

A person commits the file, and other environments train its settings.
"""

from pathlib import Path
from typing import Any

import yaml

from titlebout.atomic_files import write_whole
from titlebout.spec import ModelSpec, Record, SeenRows, SpecError, model_folder

LOCK_FILE = "settings.lock.yaml"
HEADER = """\
# The settings that tuning chose for the model {model}.
# `titlebout train {model}` writes them where tuning is allowed.
# A person reads and commits this file.
# Environments that may not tune train exactly these settings.
"""


class LockedCandidate(Record):
    """Hold the settings that tuning chose for one candidate.

    `score` is the metric's mean over the folds of the winning trial.
    """

    estimator: str
    settings: dict[str, Any]
    score: float
    trials: int


class SettingsLock(Record):
    """Hold the settings that were tuned on rows of the training part of `dataset`.

    `seen` proves in other environments, which do not have that dataset, that a row is not among
    those tuned on. `columns` are the features that the settings were found with.
    """

    dataset: str
    metric: str
    columns: tuple[str, ...] = ()
    seen: SeenRows | None = None
    candidates: dict[str, LockedCandidate]


def read_lock(project: Path, spec: ModelSpec) -> SettingsLock | None:
    """Return the lock, or None if there is none.

    Raise SpecError if a candidate or its estimator is not as in model.yaml.
    """
    path = lock_path(project, spec)
    if not path.exists():
        return None
    lock = SettingsLock.from_yaml(path)
    for name, locked in lock.candidates.items():
        declared = spec.candidates.get(name)
        if declared is None or declared.estimator != locked.estimator:
            known = ", ".join(f"{n} ({c.estimator})" for n, c in spec.candidates.items())
            raise SpecError(
                f"{path}, candidate {name!r}",
                expected=f"one of model.yaml's candidates: {known}",
                found=f"{name} ({locked.estimator})",
                next_step="tune again where tuning is allowed, or delete the file",
            )
    return lock


def caveats(lock: SettingsLock, spec: ModelSpec) -> tuple[str, ...]:
    """Return in words how tuning differed from what is trained now."""
    if lock.seen is None:
        return (
            f"{LOCK_FILE} does not say on which rows it was tuned, so the gate will reject: "
            "tune again where tuning is allowed",
        )
    found = []
    changed = [f"without {name}" for name in spec.columns if name not in lock.columns]
    changed += [f"with {name}" for name in lock.columns if name not in spec.columns]
    if changed:
        found.append(
            f"the settings of {LOCK_FILE} were tuned {', '.join(changed)}: "
            "tune again where tuning is allowed"
        )
    if lock.metric != spec.metric:
        found.append(
            f"the settings of {LOCK_FILE} were tuned for {lock.metric}, "
            f"and the model is measured by {spec.metric}: tune again"
        )
    return tuple(found)


def lock_path(project: Path, spec: ModelSpec) -> Path:
    """Return the path of the model's lock, whether it exists or not."""
    return model_folder(project, spec.name) / LOCK_FILE


def lock_text(spec: ModelSpec, lock: SettingsLock) -> str:
    """Return the lock as YAML with its header."""
    return HEADER.format(model=spec.name) + yaml.safe_dump(
        lock.model_dump(mode="json"), sort_keys=True, allow_unicode=True
    )


def write_lock(project: Path, spec: ModelSpec, lock: SettingsLock) -> Path:
    """Write the lock and return its path; the same content gives the same bytes.

    A file that already holds them is not written again.
    """
    path, text = lock_path(project, spec), lock_text(spec, lock)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with write_whole(path) as file:
            file.write(text.encode())
    return path
