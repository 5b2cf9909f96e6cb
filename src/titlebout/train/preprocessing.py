"""Turn model columns into what an estimator takes, so that ONNX predicts the same to 1e-5.

Numbers arrive as float32 with NaN for missing, text with "" for missing. A category that training
never saw is a prediction, never an error. To a linear model it is all zeros (or the target's
mean), to a tree -1 (or the target's mean).
"""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from titlebout.spec import Task

if TYPE_CHECKING:
    import pandas as pd

# More categories than this make one-hot columns that are nearly empty, and ordinal codes that a
# tree must split one by one. The mean of the target, smoothed and cross-fitted (Micci-Barreca
# 2001), keeps their information in one column.
MANY_CATEGORIES = 30
ENCODER_FOLDS = 5  # scikit-learn's own default for cross-fitting the target encoder

Style = Literal["scaled", "ordered", "raw"]
"""How columns are prepared.

scaled: imputed, standardised, one-hot.
ordered: numbers as they are, missing ones below all others; categories as codes.
raw: as ordered, with missing numbers left to the estimator.
"""
# Keeps what a missing number tells: one split separates it from the others.
BELOW_ALL = float(np.finfo(np.float32).min)


def preprocessing(X: "pd.DataFrame", *, task: Task, style: Style, sparse: bool, seed: int) -> Any:
    """Return an unfitted ColumnTransformer for the rows of X.

    The rows say which text columns have many categories, and which number columns have no value.
    A column of numbers without a value is left out: it has nothing to learn, and scikit-learn's
    trees fail on it.
    """
    from sklearn.compose import ColumnTransformer

    texts = [name for name in X if X[name].dtype.kind != "f"]
    numbers = [name for name in X if name not in texts and X[name].notna().any()]
    # skl2onnx 1.20 converts no multiclass target encoder. There every category keeps its own code.
    many = (
        []
        if task == "multiclass"
        else [name for name in texts if X[name].nunique() > MANY_CATEGORIES]
    )
    steps = [
        ("numbers", _numbers(style), numbers),
        ("few", _few(style), [name for name in texts if name not in many]),
        ("many", _many(style, task=task, seed=seed), many),
    ]
    return ColumnTransformer(
        [step for step in steps if step[2]], sparse_threshold=0.3 if sparse else 0.0
    )


def first_column(X: "pd.DataFrame") -> Any:
    """Return a transformer to the first column, for an estimator that uses no column."""
    from sklearn.compose import ColumnTransformer

    name = X.columns[0]
    return ColumnTransformer(
        [("first", "passthrough" if X[name].dtype.kind == "f" else _few("raw"), [name])]
    )


def _numbers(style: Style) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if style == "raw":
        return "passthrough"
    if style == "ordered":
        return SimpleImputer(strategy="constant", fill_value=BELOW_ALL, keep_empty_features=True)
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )


def _few(style: Style) -> Any:
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    if style != "scaled":
        return OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32
        )
    return OneHotEncoder(handle_unknown="ignore", dtype=np.float32)


def _many(style: Style, *, task: Task, seed: int) -> Any:
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler, TargetEncoder

    folds = KFold if task == "regression" else StratifiedKFold
    encoder = TargetEncoder(
        target_type="continuous" if task == "regression" else "binary",
        cv=folds(ENCODER_FOLDS, shuffle=True, random_state=seed),
    )
    return make_pipeline(encoder, StandardScaler()) if style == "scaled" else encoder
