"""Make rows to train on from scikit-learn's real tables, and model specs for them."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from support.part_rows import part_rows

from titlebout.data import PartRows
from titlebout.spec import ModelSpec

TASKS = ["binary", "multiclass", "regression"]
LOADERS = {
    "binary": datasets.load_breast_cancer,
    "multiclass": datasets.load_wine,
    "regression": datasets.load_diabetes,
}


def rows_of(task: str, *, columns: int = 6) -> PartRows:
    """Return the first columns of a real table, and a text column made from the first one."""
    loaded = LOADERS[task]()
    numbers = pd.DataFrame(
        loaded.data[:, :columns].astype(np.float32), columns=[f"x{i}" for i in range(columns)]
    )
    text = pd.cut(numbers["x0"], 4, labels=["a", "b", "c", "d"]).astype(object)
    y = loaded.target if task != "regression" else loaded.target.astype(float)
    return part_rows(numbers.assign(text=text), y)


def spec_of(task: str, candidates: dict, **more: Any) -> ModelSpec:
    """Return a spec for `rows_of(task)`; `more` replaces fields of model.yaml."""
    rows = rows_of(task)
    columns = {
        name: {"type": "number" if rows.X[name].dtype.kind == "f" else "category"}
        for name in rows.X
    }
    brief = {"question": "?", "decided_by": "a test", "error_cost": "none"}
    plain = {
        "name": "tried",
        "brief": brief,
        "owner": "tests",
        "source": {"file": "table.csv"},
        "target": {"column": "y", "positive": "1" if task == "binary" else None},
        "task": task,
        "columns": columns,
        "split": {"by": "row"},
        "candidates": candidates,
        "metric": "mae" if task == "regression" else "log_loss",
        **more,
    }
    return ModelSpec.model_validate(plain, strict=False)
