"""A model folder as the serve room writes it, as far as the registry looks: a contract and opaque bytes."""

from pathlib import Path

import pytest

from titlebout.registry import Registry
from titlebout.spec import CONTRACT_FILE, SKOPS_FILE, Contract, Engine, Input, load_environment

CONTRACT = Contract(
    model="flights",
    task="binary",
    target="late",
    inputs=(
        Input(name="distance", type="number", example=733.0),
        Input(name="carrier", type="category", example="UA"),
        Input(name="holiday", type="boolean", example=True),
        Input(name="departs", type="date", example="2013-07-04T08:00:00"),
    ),
    classes=("late", "on time"),
    positive="late",
    threshold=0.5,
    engine=Engine(name="sklearn", reason="no holdout in this test"),
    requires=("scikit-learn==1.9.1",),
)


@pytest.fixture(scope="session")
def contract() -> Contract:
    return CONTRACT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with content of its own, so that its digest is its own."""
    return write_folder(tmp_path / "model", tmp_path.name.encode())


def write_folder(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    (folder / CONTRACT_FILE).write_text(CONTRACT.canonical_json())
    (folder / SKOPS_FILE).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def releaser(mlflow_server: Path) -> Registry:
    """The releaser's connection to staging, where the model `flights` exists."""
    registry = Registry.connect(mlflow_server, load_environment(mlflow_server, "staging"))
    registry.ensure_model("flights")
    return registry
