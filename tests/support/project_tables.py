"""Make a temporary project folder, specs for it, and tables with difficult values."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from titlebout.spec import Dataset, ModelSpec, load_environment

REPOSITORY = Path(__file__).parents[2]
BRIEF = {"question": "?", "decided_by": "a test", "error_cost": "none"}


def make_project(folder: Path, **data: object) -> Path:
    """Make a project with one environment `dev`, whose data window is `data`."""
    (folder / "models" / "tried").mkdir(parents=True)
    (folder / "environments" / "dev").mkdir(parents=True)
    window = (
        f"data: {{{', '.join(f'{key}: {value}' for key, value in data.items())}}}\n" if data else ""
    )
    text = f"name: dev\nmlflow: http://127.0.0.1:1\nstorage: storage\n{window}"
    (folder / "environments" / "dev" / "environment.yaml").write_text(text)
    return folder


def spec_of(columns: dict, **more: Any) -> ModelSpec:
    """Return the spec of a model `tried` of table.csv.

    It is binary, with target `y` and positive class `yes`, unless `more` says otherwise.
    """
    plain = {
        "name": "tried",
        "brief": BRIEF,
        "owner": "tests",
        "source": {"file": "table.csv"},
        "target": {"column": "y", "positive": "yes"},
        "task": "binary",
        "columns": {
            name: {"type": column} if isinstance(column, str) else column
            for name, column in columns.items()
        },
        "split": {"by": "row"},
        "candidates": {"linear": {"estimator": "linear"}},
        "metric": "mae" if more.get("task") == "regression" else "log_loss",
    }
    return ModelSpec.model_validate({**plain, **more}, strict=False)


def write(project: Path, frame: pd.DataFrame, file: str = "table.csv") -> Path:
    """Write the table into the folder of the model `tried`, and return its path."""
    path = project / "models" / "tried" / file
    frame.to_parquet(path) if file.endswith("parquet") else frame.to_csv(path, index=False)
    return path


def prepared(project: Path, spec: ModelSpec, *, as_of: str | None = None) -> Dataset:
    """Prepare the model's dataset in `dev`."""
    from titlebout.data import prepare

    return prepare(project, spec, load_environment(project, "dev"), as_of=as_of)


def mixed(rows: int = 600, *, seed: int = 0) -> pd.DataFrame:
    """Return a table with columns of every type and many difficult values.

    It has missing values, Unicode names and values, a column named `index`, identifiers,
    constants and duplicates.
    """
    rng = np.random.default_rng(seed)
    value = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "customer id": np.arange(10**6, 10**6 + rows),
            "when": pd.date_range("2021-03-01", periods=rows, freq="7h"),
            "größe": value,
            "index": rng.integers(0, 5, rows),
            "float32": rng.normal(size=rows).astype("float32"),
            "count": pd.Series(rng.integers(0, 9, rows)).where(rng.random(rows) > 0.2),
            "city": rng.choice(["Zürich", "Łódź", "Αθήνα", 'a, "b"\nc'], rows),
            "code": rng.choice(["007", "042", "100"], rows),
            "member": rng.random(rows) > 0.4,
            "asked": pd.Series(rng.random(rows) > 0.5).where(rng.random(rows) > 0.1),
            "day": pd.date_range("1960-01-01", periods=rows).date,
            "snowflake": rng.integers(2**60, 2**62, rows),
            "always": "x",
            "never": np.full(rows, np.nan),
            "y": np.where(value + rng.normal(size=rows) > 0.7, "yes", "no"),
        }
    )
    return pd.concat([frame, frame.head(rows // 20)], ignore_index=True)
