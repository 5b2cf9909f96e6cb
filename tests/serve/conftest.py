"""Give the tests of serving a model folder and its Bento, each made once.

OpenMP has one thread here, since its threads wait for each other.
"""

import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # read once, when scikit-learn is imported

import pytest
from support.fitted_models import contract, fit, frame, table

from titlebout.packaging.bento import build_bento
from titlebout.packaging.model_folder import write_model
from titlebout.spec import Release, digest_of_folder, find_project


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a binary model that ONNX Runtime serves."""
    folder = tmp_path_factory.mktemp("model") / "model"
    write_model(folder, pipeline=fit("binary"), contract=contract("binary"), sample=frame(table()))
    return folder


@pytest.fixture(scope="session")
def bento(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the model's Bento below a hidden folder, as in a project's own state."""
    return build_bento(
        find_project(Path(__file__)), model, tmp_path_factory.mktemp("bento") / ".titlebout"
    )[0]


@pytest.fixture(scope="session")
def release(model: Path) -> Release:
    """Return a release of the model."""
    return Release(
        model="flights",
        model_digest=digest_of_folder(model),
        package_digest="p",
        data_digest="d",
        code_version="c",
        configuration_digest="c",
        threshold=0.25,
        verdict="v",
    )
