"""From model columns to what an estimator takes; built so that the conversion to ONNX predicts the same to 1e-5.

Numbers arrive as float32 with NaN for missing, text with "" for missing. A category that training never saw is, to a linear model, all
zeros (or the target's mean), to a tree -1 (or the target's mean): a prediction, never an error.
"""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from titlebout.spec import Task

if TYPE_CHECKING:
    import pandas as pd

# More categories than this make one-hot columns that are nearly empty, and ordinal codes that a tree must cut apart one by one;
# the mean of the target, smoothed and cross-fitted (Micci-Barreca 2001), keeps what they tell in one column.
MANY_CATEGORIES = 30
ENCODER_FOLDS = 5  # scikit-learn's own default for cross-fitting the target encoder

Style = Literal["scaled", "ordered", "raw"]
"""scaled: imputed, standardised, one-hot. ordered: numbers as they are, missing ones below all others; categories as codes.
raw: as ordered, with missing numbers left to the estimator."""
BELOW_ALL = float(
    np.finfo(np.float32).min
)  # keeps what a missing number tells: one split parts it from the others


def preprocessing(X: "pd.DataFrame", *, task: Task, style: Style, sparse: bool, seed: int) -> Any:
    """An unfitted ColumnTransformer for the rows of X: off them is read which text columns have many categories, and which numbers none.

    A column of numbers without one value is left out: there is nothing to learn, and scikit-learn's trees fail on it.
    """
    from sklearn.compose import ColumnTransformer

    texts = [name for name in X if X[name].dtype.kind != "f"]
    numbers = [name for name in X if name not in texts and X[name].notna().any()]
    # skl2onnx 1.20 converts no multiclass target encoder, so there every category keeps its own code.
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
    """For an estimator that looks at nothing and must be given something."""
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
