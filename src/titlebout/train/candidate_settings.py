"""Which settings each candidate is trained with, and who decided: the search, the committed lock, or model.yaml."""

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
    """`chosen` are the searched settings alone, `values` all that model.yaml or the search set; fold scores if the search left some."""

    chosen: dict[str, Any]
    values: dict[str, Any]
    origin: Literal["model.yaml", "settings.lock.yaml", "tuning"]
    fold_scores: tuple[float, ...] = ()


class Decided(NamedTuple):
    """Every candidate's settings, the lock that they are from, the rows that it was tuned on, and what a person should know of it."""

    settings: dict[str, CandidateSettings]
    lock_digest: str | None
    tuned: bool
    seen: SeenRows | None = None
    caveats: tuple[str, ...] = ()


def may_tune(environment: Environment, tune: bool | None) -> bool:
    """None leaves it to the environment; raises NotAllowed if tuning is asked for where it is forbidden."""
    if tune:
        require_tuning(environment)
    return environment.tuning if tune is None else tune


def locked_settings(project: Path, spec: ModelSpec) -> Decided:
    """The lock's settings where it has any, else model.yaml's; raises SpecError for a lock that does not fit the model."""
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
        return Decided(settings, None, tuned=False)
    return Decided(settings, lock.digest, tuned=False, seen=lock.seen, caveats=caveats(lock, spec))


def tuned_settings(
    project: Path,
    spec: ModelSpec,
    *,
    sample: PartRows,
    folds: list[Fold],
    classes: int,
    dataset: str,
    seen: SeenRows | None = None,
) -> Decided:
    """Search for every candidate that declares where, and write the winners to the lock."""
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
        return Decided(settings, None, tuned=False)
    locked = {
        name: _locked(spec.candidates[name].estimator, tuned) for name, tuned in found.items()
    }
    lock = SettingsLock(
        dataset=dataset,
        metric=spec.metric,
        columns=tuple(sorted(spec.columns)),
        seen=seen,
        candidates=locked,
    )
    _hand_over(project, spec, lock)
    return Decided(settings, lock.digest, tuned=True, seen=seen)


def say(words: str) -> None:
    """Print a line that the launcher passes on to the person who waits."""
    print_step_progress(words)


def _search(
    name: str, spec: ModelSpec, *, sample: PartRows, folds: list[Fold], classes: int
) -> Tuned:
    def scored(settings: Mapping[str, Any]) -> tuple[float, ...]:
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
        scored=scored,
        progress=lambda line: say(f"{name}: {line}"),
    )


def _hand_over(project: Path, spec: ModelSpec, lock: SettingsLock) -> None:
    """To the person who commits them: as the file, or, where the project is an image's and cannot be written to, in the log."""
    path = lock_path(project, spec)
    if os.access(path.parent, os.W_OK):
        say(
            f"settings written to {write_lock(project, spec, lock).relative_to(project)}: read and commit it"
        )
        return
    say(f"the project is read-only here; commit these settings as {path.relative_to(project)}:")
    for line in lock_text(spec, lock).splitlines():
        say(line)


def _locked(estimator: str, tuned: Tuned) -> LockedCandidate:
    return LockedCandidate(
        estimator=estimator, settings=tuned.settings, score=tuned.score, trials=tuned.trials
    )
