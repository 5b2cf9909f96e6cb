"""Build the package of a release: the same inputs give the same Bento, whole and unaltered.

It needs no source tree.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.fitted_models import contract

from titlebout.packaging.bento import (
    BENTO_SOURCE,
    LIBRARY,
    build_bento,
    sealed_files,
    serve_command,
    serve_environment,
)
from titlebout.packaging.requirements import serving_requirements
from titlebout.spec import Engine, IntegrityError, SpecError, digest_of_folder, find_project

PROJECT = find_project(Path(__file__))
LOCK = PROJECT / "requirements.lock"


def test_the_folder_is_named_by_its_content(bento: Path, model: Path) -> None:
    """The folder's name is the digest of what runs, and the model in it is unaltered."""
    assert bento.name == digest_of_folder(bento / BENTO_SOURCE)
    assert digest_of_folder(bento / BENTO_SOURCE / "model") == digest_of_folder(model)


def test_the_same_inputs_are_not_built_twice(bento: Path, model: Path) -> None:
    """The second call finds the first one's folder and leaves it alone."""
    before = (bento / "bento.yaml").stat().st_mtime_ns
    assert build_bento(PROJECT, model, bento.parent) == (bento, bento.name)
    assert (bento / "bento.yaml").stat().st_mtime_ns == before
    assert [path.name for path in bento.parent.iterdir()] == [bento.name]


def test_built_again_elsewhere_it_has_the_same_digest(
    bento: Path, model: Path, tmp_path: Path
) -> None:
    """Neither time nor path changes the digest or what else a start checks; another model does."""
    again, digest = build_bento(PROJECT, model, tmp_path / "packages")
    assert digest == bento.name
    assert sorted(sealed_files(again).values()) == sorted(sealed_files(bento).values())
    changed = shutil.copytree(model, tmp_path / "changed")
    (changed / "note").write_text("another model")
    assert build_bento(PROJECT, changed, tmp_path / "packages")[1] != bento.name


@pytest.mark.parametrize(
    ("file", "same"),
    [
        (Path("packaging", "bento.py"), True),
        (Path("scoring", "predictor.py"), False),
    ],
    ids=str,
)
def test_only_the_rooms_that_a_package_holds_change_its_digest(  # noqa: PLR0917
    bento: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: Path,
    same: bool,
) -> None:
    """A comment in scoring changes the package digest; one in packaging does not."""
    library = shutil.copytree(LIBRARY, tmp_path / "titlebout")
    monkeypatch.setattr("titlebout.packaging.bento.LIBRARY", library)
    with (library / file).open("a") as source:
        source.write("# one comment more\n")
    digest = build_bento(PROJECT, model, tmp_path / "packages")[1]
    assert (digest == bento.name) is same


def test_an_altered_package_is_not_started(bento: Path, tmp_path: Path) -> None:
    """One more file in what runs, and there is no command for it."""
    copy = shutil.copytree(bento, tmp_path / bento.name)
    assert serve_command(copy, port=1)[0] == sys.executable
    (copy / BENTO_SOURCE / "sitecustomize.py").write_text("")
    with pytest.raises(IntegrityError, match="altered"):
        serve_command(copy, port=1)


def test_it_runs_from_its_own_code(bento: Path, tmp_path: Path) -> None:
    """The service imports titlebout from the Bento, and no part of it that the Bento lacks."""
    script = (
        "import service, sys;"
        "own = [m for n, m in sys.modules.items() if n.split('.')[0] == 'titlebout'];"
        "print(*{module.__file__ for module in own}, sep='\\n')"
    )
    variables = serve_environment(
        release_file=tmp_path / "release.json", slot="blue", inference=tmp_path
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=bento / BENTO_SOURCE,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.split()) > 10
    assert all(
        Path(file).is_relative_to((bento / BENTO_SOURCE).resolve()) for file in done.stdout.split()
    )


def test_requirements_are_pinned_as_locked() -> None:
    """Requirements are the lock's pins.

    scikit-learn and what the estimator needs are there only where scikit-learn computes.
    """
    onnx = contract("binary").model_copy(
        update={"engine": Engine(name="onnx", reason="agrees"), "requires": ("lightgbm==1.0",)}
    )
    pins = serving_requirements(LOCK, onnx)
    locked = LOCK.read_text()
    assert all(pin in locked for pin in pins)
    assert {"bentoml", "onnxruntime", "pyarrow", "starlette"} <= {
        pin.partition("==")[0] for pin in pins
    }
    heavy = {"scikit-learn", "pandas", "mlflow", "lightgbm"}
    assert not heavy & {pin.partition("==")[0] for pin in pins}
    sklearn = serving_requirements(
        LOCK, onnx.model_copy(update={"engine": Engine(name="sklearn", reason="no graph")})
    )
    assert heavy & {pin.partition("==")[0] for pin in sklearn} == {
        "scikit-learn",
        "pandas",
        "lightgbm",
    }


def test_a_project_without_the_service_is_named(model: Path, tmp_path: Path) -> None:
    """The error names what the project lacks."""
    with pytest.raises(SpecError, match="tabular"):
        build_bento(tmp_path, model, tmp_path / "packages")
