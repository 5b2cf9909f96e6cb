"""Measure out of fold how much columns tell of the target.

`new` and `evaluate` use this one measure to suspect leaks.
Skill goes from guessing (0) to perfection (1). It is made from:

- two classes: ROC AUC, as 2 AUC − 1;
- more classes: accuracy;
- numbers: Kendall's rank correlation, which is to numbers what 2 AUC − 1 is to two classes.
  No monotone change of the target (a logarithm, another currency) alters it.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titlebout.spec import Task

SAMPLE_ROWS = 5_000  # at so many the measured skill is off by about 0.01
# Alone, honest columns reach 0.93 for classes (a petal's width for the species) and 0.83 for
# numbers (a diamond's carat for its price).
NEARLY_PERFECT: dict[Task, float] = {"binary": 0.95, "multiclass": 0.95, "regression": 0.9}
FOLDS = 3
LEAVES = 16
QUICK_TREES = 60  # with so many, boosted trees come near their best skill in a fifth of a second


def skill_alone(columns: pd.DataFrame, y: NDArray[Any], *, task: Task, seed: int) -> float:
    """Return the skill of a shallow tree that sees these columns only.

    They are one feature; a date has several parts.
    For a target of numbers, a column that is a monotone copy counts by its own order.
    No tree of few leaves can repeat that order.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier
    by_tree = _measure_skill(
        kind(max_leaf_nodes=LEAVES, min_samples_leaf=2, random_state=seed),
        columns,
        y,
        task=task,
        seed=seed,
    )
    if task != "regression":
        return by_tree
    ordered = max(_measure_order(columns[name], y) for name in columns)
    return ordered if ordered >= NEARLY_PERFECT[task] else by_tree


def skill_together(columns: pd.DataFrame, y: NDArray[Any], *, task: Task, seed: int) -> float:
    """Return the skill of boosted trees that see all these columns."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    learner = kind(
        max_iter=QUICK_TREES,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=5,
        early_stopping=False,
        random_state=seed,
    )
    return _measure_skill(learner, columns, y, task=task, seed=seed)


def skill_of(scores: NDArray[Any], y: NDArray[Any], *, task: Task) -> float:
    """Return the skill of scores, never below 0.

    Scores are numbers, probabilities of the positive class, or one column per class.
    """
    if task == "regression":
        from scipy.stats import kendalltau

        order = float(kendalltau(scores, y).statistic)
        return 0.0 if np.isnan(order) else max(0.0, order)  # NaN: all scores are equal
    if task == "binary":
        from sklearn.metrics import roc_auc_score

        return max(0.0, 2 * float(roc_auc_score(y, scores)) - 1)
    guessed = np.unique(y, return_counts=True)[1].max() / len(y)
    return max(0.0, float((np.mean(scores.argmax(axis=1) == y) - guessed) / (1 - guessed)))


def _measure_order(column: "pd.Series[Any]", y: NDArray[Any]) -> float:
    """Return how well a complete column of numbers orders the target, up or down; else 0."""
    if column.dtype.kind not in "fiub" or column.isna().any():
        return 0.0
    return max(
        skill_of(column.to_numpy(), y, task="regression"),
        skill_of(-column.to_numpy(dtype=np.float64), y, task="regression"),
    )


def _measure_skill(
    learner: Any, columns: pd.DataFrame, y: NDArray[Any], *, task: Task, seed: int
) -> float:
    """Return the skill of out-of-fold predictions, or 0 if a label has too few rows for folds."""
    from scipy.stats import rankdata
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

    smallest = len(y) if task == "regression" else int(np.unique(y, return_counts=True)[1].min())
    if smallest < FOLDS or len(np.unique(y)) < 2:
        return 0.0
    folds = (KFold if task == "regression" else StratifiedKFold)(
        FOLDS, shuffle=True, random_state=seed
    )
    wanted = rankdata(y) if task == "regression" else y
    texts = [str(name) for name in columns if columns[name].dtype.kind not in "fiub"]
    # A copy, since scikit-learn's trees refuse the read-only arrays that pandas returns.
    matrix = columns if texts else np.array(columns)
    if texts:
        learner = _encode_texts_before(learner, texts, task=task, folds=folds)
    method = "predict" if task == "regression" else "predict_proba"
    predicted = cross_val_predict(learner, matrix, wanted, cv=folds, method=method)
    return skill_of(predicted[:, 1] if task == "binary" else predicted, y, task=task)


def _encode_texts_before(learner: Any, texts: list[str], *, task: Task, folds: Any) -> Any:
    """Return the learner behind an encoder of text columns; numbers may be missing.

    A text counts as the target's mean in its category. So one cut may separate any set of
    categories.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import TargetEncoder

    target = {"regression": "continuous", "binary": "binary", "multiclass": "multiclass"}[task]
    encoder = TargetEncoder(target_type=target, cv=folds)
    return make_pipeline(
        ColumnTransformer([("texts", encoder, texts)], remainder="passthrough"), learner
    )
