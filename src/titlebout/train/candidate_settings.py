"""Decide each candidate's settings: from the search, the committed lock, or model.yaml."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from titlebout.data import PartRows
from titlebout.spec import Environment, ModelSpec, SeenRows, print_step_progress, require_tuning
from titlebout.train.estimators import build_estimator, build_pipeline
from titlebout.train.folds import Fold, cross_validate
from titlebout.train.settings_lock import (
    LockedCandidate,
    SettingsLock,
    caveats,
    lock_path,
    lock_text,
    read_lock,
    write_lock,
)
from titlebout.train.tuning import Tuned, search

if TYPE_CHECKING:
    import pandas as pd


class CandidateSettings(NamedTuple):
    """Hold the settings of one candidate, and where they are from.

    `chosen` are the searched settings alone. `values` are all that model.yaml or the search set.
    `fold_scores` are the scores of the search, if there was one.
    """

    chosen: dict[str, Any]
    values: dict[str, Any]
    origin: Literal["model.yaml", "settings.lock.yaml", "tuning"]
    fold_scores: tuple[float, ...] = ()


class DecidedSettings(NamedTuple):
    """Hold every candidate's settings, and the lock that they are from.

    `seen` are the rows that the lock was tuned on. `caveats` are what a person should know of it.
    """

    settings: dict[str, CandidateSettings]
    lock_digest: str | None
    tuned: bool
    seen: SeenRows | None = None
    caveats: tuple[str, ...] = ()


def may_tune(environment: Environment, tune: bool | None) -> bool:
    """Return whether to tune; `tune` None leaves it to the environment.

    Raise NotAllowed if tuning is asked for where it is forbidden.
    """
    if tune:
        require_tuning(environment)
    return environment.tuning if tune is None else tune


def locked_settings(project: Path, spec: ModelSpec) -> DecidedSettings:
    """Return the lock's settings where it has any, else model.yaml's.

    Raise SpecError for a lock that does not fit the model.
    """
    lock = read_lock(project, spec)
    locked = lock.candidates if lock else {}
    settings = {}
    for name, candidate in spec.candidates.items():
        chosen = locked[name].settings if name in locked else {}
        build_estimator(
            name, candidate, task=spec.task, metric=spec.metric, settings=chosen, seed=spec.seed
        )
        origin: Literal["settings.lock.yaml", "model.yaml"] = (
            "settings.lock.yaml" if name in locked else "model.yaml"
        )
        settings[name] = CandidateSettings(chosen, {**candidate.settings, **chosen}, origin)
    if lock is None:
        return DecidedSettings(settings, None, tuned=False)
    return DecidedSettings(
        settings, lock.digest, tuned=False, seen=lock.seen, caveats=caveats(lock, spec)
    )


def tuned_settings(
    project: Path,
    spec: ModelSpec,
    *,
    sample: PartRows,
    folds: list[Fold],
    classes: int,
    dataset: str,
    seen: SeenRows | None = None,
) -> DecidedSettings:
    """Search settings for every candidate that declares ranges, and write the best to the lock."""
    settings, found = {}, {}
    for name, candidate in spec.candidates.items():
        settings[name] = CandidateSettings({}, dict(candidate.settings), "model.yaml")
        if candidate.search and folds:
            found[name] = _search(name, spec, sample=sample, folds=folds, classes=classes)
            chosen = dict(found[name].settings)
            settings[name] = CandidateSettings(
                chosen, {**candidate.settings, **chosen}, "tuning", found[name].fold_scores
            )
    if not found:
        return DecidedSettings(settings, None, tuned=False)
    locked = {
        name: _locked_candidate(spec.candidates[name].estimator, tuned)
        for name, tuned in found.items()
    }
    lock = SettingsLock(
        dataset=dataset,
        metric=spec.metric,
        columns=tuple(sorted(spec.columns)),
        seen=seen,
        candidates=locked,
    )
    _write_or_print(project, spec, lock)
    return DecidedSettings(settings, lock.digest, tuned=True, seen=seen)


def _search(
    name: str, spec: ModelSpec, *, sample: PartRows, folds: list[Fold], classes: int
) -> Tuned:
    def score_settings(settings: Mapping[str, Any]) -> tuple[float, ...]:
        def build(X: "pd.DataFrame") -> Any:
            return build_pipeline(name, spec, X=X, settings=settings)

        return cross_validate(name, build, sample, folds=folds, spec=spec, classes=classes)

    untuned = build_estimator(
        name, spec.candidates[name], task=spec.task, metric=spec.metric, settings={}, seed=spec.seed
    ).get_params()
    return search(
        spec,
        spec.candidates[name].search,
        start=untuned,
        score_settings=score_settings,
        progress=lambda line: print_step_progress(f"{name}: {line}"),
    )


def _write_or_print(project: Path, spec: ModelSpec, lock: SettingsLock) -> None:
    """Write the lock, or print it where the project is an image's and cannot be written to."""
    path = lock_path(project, spec)
    relative = path.relative_to(project)
    if os.access(path.parent, os.W_OK):
        write_lock(project, spec, lock)
        print_step_progress(f"settings written to {relative}: read and commit it")
        return
    print_step_progress(f"the project is read-only here; commit these settings as {relative}:")
    for line in lock_text(spec, lock).splitlines():
        print_step_progress(line)


def _locked_candidate(estimator: str, tuned: Tuned) -> LockedCandidate:
    return LockedCandidate(
        estimator=estimator, settings=tuned.settings, score=tuned.score, trials=tuned.trials
    )
