"""Fit small real models: every column type, every task."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from titlebout.scoring.columns import encode
from titlebout.spec import Contract, Engine, Input, Task

ROWS = 400
INPUTS = (
    Input(name="distance", type="number", example=740.0),
    Input(name="seat count", type="number", example=150.0),
    Input(name="holiday", type="boolean", example=False),
    Input(name="carrier", type="category", example="UA"),
    Input(name="origin", type="category", example="EWR"),
    Input(name="departs", type="date", example="2013-07-04T17:30"),
)
CLASSES: dict[Task, tuple[str, ...]] = {
    "binary": ("late", "on time"),
    "multiclass": ("early", "late", "on time"),
    "regression": (),
}
EXAMPLE = {column.name: column.example for column in INPUTS}


def table(rows: int = ROWS, seed: int = 0) -> dict[str, list[Any]]:
    """Return columns as clients send them, with every tenth value missing."""
    random = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {
        "distance": random.normal(800, 300, rows).round(1).tolist(),
        "seat count": random.integers(50, 300, rows).tolist(),
        "holiday": random.choice([True, False], rows).tolist(),
        "carrier": random.choice(["UA", "AA", "DL", "B6"], rows).tolist(),
        "origin": random.choice(["EWR", "JFK", "LGA"], rows).tolist(),
        "departs": [
            f"2013-{m:02}-{d:02}T{h:02}:30"
            for m, d, h in zip(*(random.integers(1, k, rows) for k in (13, 29, 24)), strict=True)
        ],
    }
    return {
        name: [None if random.random() < 0.1 else value for value in values]
        for name, values in columns.items()
    }


def frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """Return the columns as a frame of model columns."""
    return pd.DataFrame(encode(INPUTS, columns))


def contract(task: Task) -> Contract:
    """Return the contract of a model of the task."""
    return Contract(
        model="flights",
        task=task,
        target="late",
        inputs=INPUTS,
        classes=CLASSES[task],
        positive=CLASSES[task][1] if task == "binary" else None,
        threshold=0.4 if task == "binary" else None,
        engine=Engine(name="sklearn", reason="not converted yet"),
    )


def fit(task: Task, kind: str = "trees", estimator: Any = None) -> Pipeline:
    """Fit a pipeline of the task; `kind` is trees or linear."""
    X = frame(table())
    y = _target(X, task)
    return Pipeline(
        [("prepare", _prepare(X, kind)), ("estimate", estimator or _estimator(task, kind))]
    ).fit(X, y)


def _target(X: pd.DataFrame, task: Task) -> np.ndarray:
    value = (
        X["distance"].fillna(800) / 300
        + (X["carrier"] == "UA") * 2
        + X["departs.hour"].fillna(12) / 8
    )
    value = value + np.random.default_rng(1).normal(size=len(X))
    if task == "regression":
        return value.to_numpy() * 1000
    return np.digitize(value, np.quantile(value, np.linspace(0, 1, len(CLASSES[task]) + 1)[1:-1]))


def _prepare(X: pd.DataFrame, kind: str) -> ColumnTransformer:
    numbers = [name for name in X if X[name].dtype.kind == "f"]
    texts = [name for name in X if name not in numbers]
    if kind == "trees":
        ordinal = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32
        )
        return ColumnTransformer([("numbers", "passthrough", numbers), ("texts", ordinal, texts)])
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return ColumnTransformer(
        [("numbers", scaled, numbers), ("texts", OneHotEncoder(handle_unknown="ignore"), texts)],
        sparse_threshold=0,
    )


def _estimator(task: Task, kind: str) -> Any:
    if kind == "trees":
        settings = {"max_iter": 20, "random_state": 0}
        return (
            HistGradientBoostingRegressor(**settings)
            if task == "regression"
            else HistGradientBoostingClassifier(**settings)
        )
    return Ridge() if task == "regression" else LogisticRegression(max_iter=500)
