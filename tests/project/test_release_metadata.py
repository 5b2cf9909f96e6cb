"""What a released version says about itself, and that it says it in one place."""

import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import titlebout
from components.image import STEP_IMAGE

REPOSITORY = Path(__file__).parents[2]
CHARTS = sorted(path.parent for path in REPOSITORY.glob("helm/*/Chart.yaml"))
OF_MLFLOW = "mlflow"  # the one chart whose application is not ours


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def in_wheel(wheel: zipfile.ZipFile, name: str) -> str:
    """Return the text of a file of the wheel's dist-info folder."""
    return wheel.read(f"titlebout-{titlebout.__version__}.dist-info/{name}").decode()


def test_wheel_has_the_version_of_the_package(wheel):
    """`titlebout.__version__` is where the version stands; the wheel takes it from there."""
    assert f"\nVersion: {titlebout.__version__}\n" in in_wheel(wheel, "METADATA")


def test_wheel_carries_the_license(wheel):
    """The whole text of the license goes with every copy."""
    assert in_wheel(wheel, "licenses/LICENSE") == (REPOSITORY / "LICENSE").read_text()
    assert "\nLicense-Expression: Apache-2.0\n" in in_wheel(wheel, "METADATA")


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_chart_names_the_version_that_it_runs(chart):
    """A chart's appVersion is this package's version; the MLflow chart's is the pinned MLflow's."""
    said = yaml.safe_load((chart / "Chart.yaml").read_text())
    runs = metadata.version("mlflow") if chart.name == OF_MLFLOW else titlebout.__version__
    assert said["appVersion"] == runs


def test_pipeline_steps_name_the_version_that_they_run():
    """The image of a pipeline's step is the one of this version."""
    assert STEP_IMAGE.rpartition(":")[2] == titlebout.__version__


def test_changelog_has_a_section_of_this_version():
    """What is in the released version can be read."""
    assert f"\n## {titlebout.__version__} - " in (REPOSITORY / "CHANGELOG.md").read_text()


def test_supported_pythons_are_the_classifiers():
    """`requires-python` begins at the first Python that the classifiers name."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    named = [
        line.rpartition(" :: ")[2]
        for line in project["classifiers"]
        if line.startswith("Programming Language :: Python :: 3.")
    ]
    supported = Requirement(f"python{project['requires-python']}").specifier
    assert all(f"{version}.0" in supported for version in named)
    assert project["requires-python"] == f">={named[0]}"
