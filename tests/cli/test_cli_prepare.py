"""Run `titlebout prepare`: read the source, split its rows and store them as a dataset."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from titlebout.data import load_dataset
from titlebout.storage import open_storage

FEATURES = """
import sys
import pandas as pd

print("reading the warehouse")


def table():
    print("400 rows")
    y = ["yes" if n % 3 else "no" for n in range(400)]
    return pd.DataFrame({"x": [float(n) for n in range(400)], "y": y})
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """Return a project with a model whose features.py prints while it reads."""
    spec = {
        "name": "tried",
        "owner": "tests",
        "brief": {"question": "Is it?", "decided_by": "a test", "error_cost": "a red build"},
        "source": {"function": "table"},
        "task": "binary",
        "target": {"column": "y", "positive": "yes"},
        "columns": {"x": {"type": "number"}},
        "split": {"by": "row"},
        "candidates": {"linear": {"estimator": "linear"}},
        "metric": "log_loss",
    }
    for folder, name, content in (
        ("models/tried", "model.yaml", yaml.safe_dump(spec)),
        ("models/tried", "features.py", FEATURES),
        (
            "environments/dev",
            "environment.yaml",
            "name: dev\nmlflow: http://127.0.0.1:1\nstorage: storage\n",
        ),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_text(content)
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).with_name("titlebout")),
        "prepare",
        "tried",
        "--env",
        "dev",
        *arguments,
    ]
    return subprocess.run(
        command,
        env={**os.environ, "TITLEBOUT_PROJECT": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_dataset_is_frozen_and_named(project):
    """Print one JSON object on standard output, and what features.py prints on standard error.

    MLflow is not asked.
    """
    done = run(project, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    dataset = load_dataset(open_storage(project, "storage"), found["digest"])
    assert found["rows"] == {name: part.rows for name, part in dataset.parts.items()}
    assert sum(found["rows"].values()) == 400
    assert "reading the warehouse" in done.stderr
    assert "400 rows" in done.stderr


def test_in_words(project):
    """Print the digest, and how many rows each part has."""
    done = run(project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dataset ")
    assert "holdout " in done.stdout
