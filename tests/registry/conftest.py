"""Connect the releaser, and register versions to work on."""

from pathlib import Path

import pytest
from support.model_folders import register, write_folder

from titlebout.registry import Registry, Version
from titlebout.spec import load_environment


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model folder that tests share and leave as it is."""
    return write_folder(tmp_path_factory.mktemp("shared") / "model")


@pytest.fixture(scope="session")
def version(releaser: Registry, folder: Path) -> Version:
    """Register `folder`, for tests that leave the version as it is, aliases aside."""
    return register(releaser, folder)


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """Write a model folder that one test may change."""
    return write_folder(tmp_path / "model")


@pytest.fixture
def own_version(releaser: Registry, own_folder: Path) -> Version:
    """Register a version that one test may change."""
    return register(releaser, own_folder)


@pytest.fixture(scope="session")
def releaser(mlflow_server: Path) -> Registry:
    """Connect the releaser to staging, where the model `flights` exists."""
    registry = Registry.connect(mlflow_server, load_environment(mlflow_server, "staging"))
    registry.ensure_model("flights")
    return registry
