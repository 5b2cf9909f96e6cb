"""`models/<name>/settings.lock.yaml`: the settings that tuning chose, which a person commits and other environments train."""

from pathlib import Path
from typing import Any

import yaml

from titlebout.spec import ModelSpec, Record, SpecError, model_folder

LOCK_FILE = "settings.lock.yaml"
HEADER = """\
# The settings that tuning chose for the model {model}: written by `titlebout train {model}` where tuning is allowed.
# A person reads and commits this file; environments that may not tune train exactly these settings.
"""


class LockedCandidate(Record):
    estimator: str
    settings: dict[str, Any]
    score: float
    trials: int


class SettingsLock(Record):
    """`score` is the metric's mean over the folds of the winning trial, on rows of the training part of `dataset`."""

    dataset: str
    metric: str
    candidates: dict[str, LockedCandidate]


def read_lock(project: Path, spec: ModelSpec) -> SettingsLock | None:
    """None if there is none; raises SpecError if it is about candidates that model.yaml does not have, or has otherwise."""
    path = lock_path(project, spec)
    if not path.exists():
        return None
    lock = SettingsLock.from_yaml(path)
    for name, locked in lock.candidates.items():
        declared = spec.candidates.get(name)
        if declared is None or declared.estimator != locked.estimator:
            raise SpecError(
                f"{path}, candidate {name!r}",
                expected=f"one of model.yaml's candidates: {', '.join(f'{n} ({c.estimator})' for n, c in spec.candidates.items())}",
                found=f"{name} ({locked.estimator})",
                next_step="tune again where tuning is allowed, or delete the file",
            )
    return lock


def lock_path(project: Path, spec: ModelSpec) -> Path:
    return model_folder(project, spec.name) / LOCK_FILE


def lock_text(spec: ModelSpec, lock: SettingsLock) -> str:
    return HEADER.format(model=spec.name) + yaml.safe_dump(lock.model_dump(mode="json"), sort_keys=True, allow_unicode=True)


def write_lock(project: Path, spec: ModelSpec, lock: SettingsLock) -> Path:
    """The same content gives the same bytes; a file that already holds them is not touched."""
    path, text = lock_path(project, spec), lock_text(spec, lock)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        partial = path.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    return path
