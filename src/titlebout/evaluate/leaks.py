"""Columns that know too much: a feature that alone nearly does what the whole model does was probably not known at prediction time.

Skill is the metric's way from chance to perfection: 0 is guessing, 1 is perfect.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from titlebout import metrics
from titlebout.evaluate.importance import permutation_losses
from titlebout.evaluate.measured import Measured
from titlebout.evaluate.part import Part
from titlebout.spec import DataError, Leak, ModelSpec, Task

if TYPE_CHECKING:
    import pandas as pd

SKILL_METRIC: dict[Task, str] = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}
# Skill of one column alone, measured: flights' best honest column (departure_minute) 0.25, wine's 0.61; a departure's own delay 0.77 for
# the flight's late arrival. Honest columns can be as strong (breast cancer's 0.79), so a person looks: `leaks: warn` is for those.
ALONE_SKILL = 0.6
ALONE_SHARE = 0.8  # of the whole model's skill that the column reaches alone
# A leak may need a partner (a departure's actual time tells by its distance from the scheduled one): then shuffling it ruins a strong
# model. Measured on flights: actual departure time 1.18 of the skill lost, actual arrival time 1.16, their honest partners 0.72, 0.75.
STRONG_SKILL = 0.7
RUINED_SHARE = 0.9
SAMPLE_ROWS = 5000
FOLDS = 3
LEAVES = 16


def find_leaks(spec: ModelSpec, measured: Measured, *, train: Part, validation: Part) -> tuple[Leak, ...]:
    """Every feature whose shallow tree alone, cross-validated on training rows, comes near the whole model on the validation part."""
    metric = SKILL_METRIC[spec.task]
    try:
        whole = metrics.score(metric, validation.y, measured.scores["validation"])
    except DataError:
        return ()  # one label only in the validation part: nothing to compare with, and validation refuses the version for that
    picked = np.random.default_rng(spec.seed).permutation(len(train.y))[:SAMPLE_ROWS]
    X, y = train.X.iloc[picked], train.y[picked]
    chance = _chance(spec.task, y)
    losses = permutation_losses(spec, measured, validation, metric=metric)
    found = []
    for name in spec.columns:
        alone = _alone(spec, X, y, name=name)
        evidence = _evidence(
            alone=(alone - chance) / (1 - chance), whole=(whole - chance) / (1 - chance), lost=losses.get(name, 0.0) / (1 - chance)
        )
        if evidence:
            found.append(Leak(column=name, evidence=f"{name} {evidence}", score_alone=alone, score_of_model=whole))
    return tuple(found)


def _evidence(*, alone: float, whole: float, lost: float) -> str | None:
    """All three are skills; `lost` is what shuffling the column costs the model. None if there is nothing to suspect."""
    share = lost / whole if whole > 0 else 0.0
    if alone >= ALONE_SKILL and alone >= ALONE_SHARE * whole:
        return f"alone has skill {alone:.2f}, the whole model {whole:.2f}; shuffling it costs {share:.0%} of that: is it known in time?"
    if whole >= STRONG_SKILL and share >= RUINED_SHARE:
        return f"carries a strong model: shuffling it costs {share:.0%} of skill {whole:.2f}: is it known in time?"
    return None


def _alone(spec: ModelSpec, X: "pd.DataFrame", y: NDArray[Any], *, name: str) -> float:
    """The skill metric of out-of-fold predictions by a shallow tree that sees this column only; chance where it cannot be fitted."""
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

    columns = [column for column in X if column == name or str(column).startswith(f"{name}.")]
    smallest = len(y) if spec.task == "regression" else int(np.unique(y, return_counts=True)[1].min())
    if smallest < FOLDS:
        return _chance(spec.task, y)
    folds = (KFold if spec.task == "regression" else StratifiedKFold)(FOLDS, shuffle=True, random_state=spec.seed)
    method = "predict" if spec.task == "regression" else "predict_proba"
    values = np.array(X[columns])  # a copy, as scikit-learn's trees refuse the read-only arrays that pandas hands out
    predicted = cross_val_predict(_shallow(spec, is_text=values.dtype.kind != "f"), values, y, cv=folds, method=method)
    return metrics.score(SKILL_METRIC[spec.task], y, predicted[:, 1] if spec.task == "binary" else predicted)


def _shallow(spec: ModelSpec, *, is_text: bool) -> Any:
    """Text goes by the target's mean per category, so that one cut may separate any set of categories."""
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import TargetEncoder
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if spec.task == "regression" else DecisionTreeClassifier
    tree = kind(max_leaf_nodes=LEAVES, min_samples_leaf=2, random_state=spec.seed)
    if not is_text:
        return tree
    folds = (KFold if spec.task == "regression" else StratifiedKFold)(FOLDS, shuffle=True, random_state=spec.seed)
    target = {"regression": "continuous", "binary": "binary", "multiclass": "multiclass"}[spec.task]
    return make_pipeline(TargetEncoder(target_type=target, cv=folds), tree)


def _chance(task: Task, y: NDArray[Any]) -> float:
    """What guessing reaches: 0.5, the largest class's share, or the mean's R²."""
    if task == "multiclass":
        return float(np.unique(y, return_counts=True)[1].max() / len(y))
    return 0.5 if task == "binary" else 0.0
