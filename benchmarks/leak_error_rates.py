"""Simulate how often the leak rule names an honest column, and finds a planted leak.

These are figures of docs/training.md.

.venv/bin/python benchmarks/leak_error_rates.py
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from titlebout.data import skill_alone, skill_together
from titlebout.evaluate.leaks import Skills, judge_column
from titlebout.spec import Task

TABLES = 10
ROWS = 600
OTHERS = 3
Table = tuple[pd.DataFrame, NDArray[np.float64]]  # the column in question is the first


def main() -> None:
    """Print the rates as JSON."""
    for task in ("regression", "binary"):
        for name, make in {**HONEST, **LEAKS}.items():
            levels, before = Counter[str](), 0
            for seed in range(TABLES):
                X, y = make(np.random.default_rng(seed))
                y = (y > np.median(y)).astype(int) if task == "binary" else y
                levels[level_now(X, y, task)] += 1
                before += named_before(X, y, task)
            rates = {level: count / TABLES for level, count in sorted(levels.items())}
            print(
                json.dumps({"task": task, "table": name, "now": rates, "before": before / TABLES}),
                flush=True,
            )


def additive(random: np.random.Generator, *, share: float, whole: float) -> Table:
    """Draw independent columns; one carries `share` of the target's variance.

    Three others together carry the rest of `whole`.
    """
    X = pd.DataFrame(
        random.normal(size=(ROWS, 1 + OTHERS)),
        columns=["it", *(f"other{number}" for number in range(OTHERS))],
    )
    weights = np.sqrt([share, *[(whole - share) / OTHERS] * OTHERS])
    return X, X.to_numpy() @ weights + np.sqrt(1 - whole) * random.normal(size=ROWS)


def confirmed(random: np.random.Generator) -> Table:
    """Draw a carat: alone it tells 0.87 of the price, and other columns confirm it.

    The stone's three measures tell the carat.
    """
    X, y = additive(random, share=0.87, whole=0.9)
    for number in range(OTHERS):
        X[f"other{number}"] = X["it"] + 0.3 * random.normal(size=ROWS)
    return X, y


def planted(random: np.random.Generator, *, noise: float) -> Table:
    """Draw a copy of the target with noise, beside honest columns that tell 0.3 of it."""
    X, y = additive(random, share=0.1, whole=0.3)
    return X.assign(it=y + noise * random.normal(size=ROWS)), y


def partnered(random: np.random.Generator) -> Table:
    """Draw an actual time: the target is its distance from the scheduled one, also a column."""
    X, y = additive(random, share=0.1, whole=0.3)
    scheduled = 3 * random.normal(size=ROWS)
    return X.assign(it=scheduled + y + 0.2 * random.normal(size=ROWS), other0=scheduled), y


def missing(random: np.random.Generator) -> Table:
    """Draw a date of cancellation that is missing where the target is below its median.

    It tells nothing else.
    """
    X, y = additive(random, share=0.1, whole=0.3)
    return X.assign(it=np.where(y > np.median(y), random.normal(size=ROWS), np.nan)), y


HONEST: dict[str, Callable[[np.random.Generator], Table]] = {
    "honest, 0.30 of the variance, all 0.90": lambda random: additive(random, share=0.3, whole=0.9),
    "honest, 0.45 of the variance, all 0.90": lambda random: additive(
        random, share=0.45, whole=0.9
    ),
    "honest, 0.45 of the variance, all 0.70": lambda random: additive(
        random, share=0.45, whole=0.7
    ),
    "honest, 0.60 of the variance, all 0.90": lambda random: additive(random, share=0.6, whole=0.9),
    "honest, 0.80 of the variance, all 0.90": lambda random: additive(random, share=0.8, whole=0.9),
    "honest, 0.87 of the variance, confirmed": confirmed,
    "honest, 0.89 of the variance, all 0.90": lambda random: additive(
        random, share=0.89, whole=0.9
    ),
}
LEAKS: dict[str, Callable[[np.random.Generator], Table]] = {
    "leak, a copy with a tenth of noise": lambda random: planted(random, noise=0.1),
    "leak, a copy with a half of noise": lambda random: planted(random, noise=0.5),
    "leak that needs a partner": partnered,
    "leak by what is missing": missing,
}


def level_now(X: pd.DataFrame, y: NDArray[Any], task: Task) -> str:
    """Return the level by today's rule, or `not named`."""
    without = X.drop(columns="it")
    together = skill_together(X, y, task=task, seed=0)
    skills = Skills(
        skill_alone(X[["it"]], y, task=task, seed=0),
        together,
        skill_together(without, y, task=task, seed=0),
    )
    leak = judge_column("it", skills, task=task)
    return leak.level if leak else "not named"


def named_before(X: pd.DataFrame, y: NDArray[Any], task: Task) -> bool:
    """Tell whether the rule until 2026-11 named the column.

    It did with 0.6 and 80 % of the skill alone. It also did if shuffling the column cost 90 % of a
    skill of 0.7.
    """
    half, random, regression = len(y) // 2, np.random.default_rng(0), task == "regression"
    boosted = (HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier)(
        max_iter=60, early_stopping=False
    )
    tree = (DecisionTreeRegressor if regression else DecisionTreeClassifier)(
        max_leaf_nodes=16, min_samples_leaf=2
    )

    def skill(model: Any, seen: pd.DataFrame) -> float:
        if regression:
            return float(r2_score(y[half:], model.predict(seen)))
        return 2 * float(roc_auc_score(y[half:], model.predict_proba(seen)[:, 1])) - 1

    boosted.fit(X[:half], y[:half])
    whole, alone = (
        skill(boosted, X[half:]),
        skill(tree.fit(X[["it"]][:half], y[:half]), X[["it"]][half:]),
    )
    shuffled = np.mean(
        [skill(boosted, X[half:].assign(it=random.permutation(X["it"][half:]))) for _ in range(3)]
    )
    return (alone >= 0.6 and alone >= 0.8 * whole) or (
        whole >= 0.7 and (whole - shuffled) >= 0.9 * whole
    )


if __name__ == "__main__":
    main()
