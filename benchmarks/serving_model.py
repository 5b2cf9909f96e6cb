"""Make a model of 15 mixed columns, as a model folder and as a pickle.

The tabular service serves the folder, the default one the pickle.
"""

import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from titlebout.packaging.model_folder import write_model
from titlebout.scoring.columns import encode
from titlebout.spec import Contract, Engine, Input

ROWS = 20_000
ITERATIONS = 100
NUMBERS = 9
CATEGORIES = 5
FLAGS = 1
PICKLE = "pipeline.joblib"


def write(folder: Path) -> dict[str, Any]:
    """Write `folder/model` and `folder/pipeline.joblib`. Return a row as clients send it."""
    columns = _columns()
    inputs = tuple(
        Input(name=name, type=_type(name), example=values[0]) for name, values in columns.items()
    )
    X = pd.DataFrame(encode(inputs, columns))
    numbers, texts = (
        [name for name in X if X[name].dtype.kind == "f"],
        [name for name in X if X[name].dtype.kind != "f"],
    )
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    prepare = ColumnTransformer([("numbers", "passthrough", numbers), ("texts", ordinal, texts)])
    y = (
        X["number0"] + (X["category0"] == "a") + np.random.default_rng(1).normal(size=ROWS) > 0
    ).astype(int)
    pipeline = Pipeline(
        [
            ("prepare", prepare),
            ("estimate", HistGradientBoostingClassifier(max_iter=ITERATIONS, random_state=0)),
        ]
    ).fit(X, y)
    engine = Engine(name="sklearn", reason="not converted yet")
    contract = Contract(
        model="bench",
        task="binary",
        target="y",
        inputs=inputs,
        classes=("no", "yes"),
        positive="yes",
        engine=engine,
    )
    write_model(folder / "model", pipeline=pipeline, contract=contract, sample=X[:5000])
    joblib.dump(pipeline, folder / PICKLE)
    return {column.name: column.example for column in inputs}


def _columns() -> dict[str, list[Any]]:
    random = np.random.default_rng(0)
    numbers = {f"number{i}": random.normal(size=ROWS).tolist() for i in range(NUMBERS)}
    categories = {
        f"category{i}": random.choice(list("abcdefghij"), ROWS).tolist() for i in range(CATEGORIES)
    }
    flags = {f"flag{i}": random.choice([True, False], ROWS).tolist() for i in range(FLAGS)}
    return {**numbers, **categories, **flags}


def _type(name: str) -> Any:
    return {"number": "number", "category": "category", "flag": "boolean"}[
        name.rstrip("0123456789")
    ]


if __name__ == "__main__":
    write(Path(sys.argv[1]))
