"""Search a candidate's settings with Optuna: by TPE (Bergstra et al. 2011), random or on a grid.

The same seed gives the same search.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from titlebout.spec import METRICS, ModelSpec, Progress, Range

GRID_POINTS = 4  # per range of numbers: a grid over three settings then has 64 points

Plain = str | int | float | bool | None
ScoreSettings = Callable[[Mapping[str, Plain]], tuple[float, ...]]


class Tuned(NamedTuple):
    """Hold the chosen settings, the mean and each fold's score of their trial.

    `trials` is the number of all trials.
    """

    settings: dict[str, Plain]
    score: float
    fold_scores: tuple[float, ...]
    trials: int


def search(
    spec: ModelSpec,
    ranges: Mapping[str, Range],
    *,
    start: Mapping[str, Any],
    score_settings: ScoreSettings,
    progress: Progress,
) -> Tuned:
    """Try settings until the trials are used up, and return the best.

    `start` are the settings without tuning. They are tried first, so tuning is never worse.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    greater = METRICS[spec.metric].greater_is_better
    study = optuna.create_study(
        direction="maximize" if greater else "minimize", sampler=_sampler(spec, ranges)
    )
    if spec.tuning.method != "grid" and all(
        _within(start.get(name), kind) for name, kind in ranges.items()
    ):
        study.enqueue_trial({name: start[name] for name in ranges})

    def objective(trial: Any) -> float:
        folds = score_settings({name: _suggest(trial, name, kind) for name, kind in ranges.items()})
        trial.set_user_attr("folds", folds)
        progress(
            f"trial {trial.number + 1} of {spec.tuning.trials}: {spec.metric} {np.mean(folds):.5f}"
        )
        return float(np.mean(folds))

    study.optimize(objective, n_trials=spec.tuning.trials)
    best = study.best_trial
    return Tuned(
        dict(best.params), float(best.value), tuple(best.user_attrs["folds"]), len(study.trials)
    )


def _sampler(spec: ModelSpec, ranges: Mapping[str, Range]) -> Any:
    from optuna import samplers

    if spec.tuning.method == "grid":
        return samplers.GridSampler(
            {name: _grid(kind) for name, kind in ranges.items()}, seed=spec.seed
        )
    return (samplers.TPESampler if spec.tuning.method == "bayesian" else samplers.RandomSampler)(
        seed=spec.seed
    )


def _suggest(trial: Any, name: str, kind: Range) -> Plain:
    suggested: Plain
    if kind.choices is not None:
        suggested = trial.suggest_categorical(name, list(kind.choices))
    elif kind.integer:
        suggested = trial.suggest_int(
            name, round(kind.low or 0), round(kind.high or 0), log=kind.log
        )
    else:
        suggested = trial.suggest_float(name, kind.low, kind.high, log=kind.log)
    return suggested


def _grid(kind: Range) -> list[Plain]:
    if kind.choices is not None:
        return list(kind.choices)
    low, high = kind.low or 0.0, kind.high or 0.0
    points = (
        np.geomspace(low, high, GRID_POINTS) if kind.log else np.linspace(low, high, GRID_POINTS)
    )
    inside = np.clip(points, low, high).tolist()
    return sorted({round(point) for point in inside}) if kind.integer else inside


def _within(value: Any, kind: Range) -> bool:
    if kind.choices is not None:
        return value in kind.choices
    if isinstance(value, bool) or not isinstance(value, int if kind.integer else int | float):
        return False
    return bool((kind.low or 0.0) <= value <= (kind.high or 0.0))
