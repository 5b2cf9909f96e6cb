"""Build the package of a release: a Bento, named by its content.

It holds the service, the model and the rooms of titlebout that serve it. Everything that runs lies
in the Bento's `src/`; the package digest is the digest of that folder. Around it BentoML writes
descriptions that hold the time, so they do not count.
"""

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import titlebout
from titlebout.atomic_files import partial_of
from titlebout.packaging.requirements import serving_requirements
from titlebout.spec import (
    CONTRACT_FILE,
    INFERENCE_VARIABLE,
    RELEASE_VARIABLE,
    SLOT_VARIABLE,
    Contract,
    IntegrityError,
    SpecError,
    digest_of_file,
    digest_of_folder,
)

log = logging.getLogger(__name__)

SERVICE_FOLDER = Path("bentos", "tabular")
LOCK_FILE = "requirements.lock"
BENTO_SOURCE = "src"
BENTO_FILE = "bento.yaml"
MODEL = "model"
LIBRARY = Path(titlebout.__file__).parent
SHIPPED_ROOMS = ("spec", "scoring", "serve")
VERSION_CHARACTERS = 16  # of the digest, in the Bento's tag: for people
ERROR_CHARACTERS = 500  # the end of what BentoML printed, where the reason stands
HOST = "127.0.0.1"
NO_BYTECODE = shutil.ignore_patterns("__pycache__", "*.pyc")
# Nothing is sent home, nothing is traced, and one thread computes: a slot has about one CPU.
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "OTEL_SDK_DISABLED": "true", "OMP_NUM_THREADS": "1"}


def build_bento(project: Path, model_folder: Path, to: Path) -> tuple[Path, str]:
    """Return the Bento's folder `to/<package digest>`, and that digest.

    The same inputs give the same digest, and are not built twice.

    Raise SpecError if the project lacks the service or the lock, or if BentoML cannot build it.
    """
    # BentoML builds nothing below a hidden folder.
    with tempfile.TemporaryDirectory(prefix="titlebout-bento-") as work:
        source = Path(work, "context")
        _write_context(project, model_folder, source)
        digest = digest_of_folder(source)
        bento = to / digest
        if not (bento / BENTO_FILE).is_file():
            log.info("build package %s", digest)
            built = _build(source, Path(work, "home"), digest)
            _check_digest(built, digest)
            _fix_creation_time(built / BENTO_FILE)
            _move_into_place(built, bento)
    return bento, digest


def serve_command(package: Path, *, port: int) -> list[str]:
    """Return the command that serves the Bento on 127.0.0.1.

    Raise IntegrityError if its content is not what its folder's name says.
    """
    _check_digest(package, package.name)
    return [sys.executable, str(package / BENTO_SOURCE / "serve.py"), HOST, str(port)]


def sealed_files(package: Path) -> dict[str, str]:
    """Return what the command reads, each file or folder with its digest.

    That is the folder that runs, and BentoML's description, which says where to begin.
    """
    return {
        str(package / BENTO_SOURCE): package.name,
        str(package / BENTO_FILE): digest_of_file(package / BENTO_FILE),
    }


def serve_environment(*, release_file: Path, slot: str, inference: Path) -> dict[str, str]:
    """Return the variables for the command.

    What BentoML keeps goes beside the release file. Bytecode in `src/` would change its digest.
    """
    return {
        RELEASE_VARIABLE: str(release_file),
        SLOT_VARIABLE: slot,
        INFERENCE_VARIABLE: str(inference),
        "BENTOML_HOME": str(release_file.parent / "bentoml"),
        "PYTHONDONTWRITEBYTECODE": "1",
        **QUIET,
    }


def _write_context(project: Path, model_folder: Path, source: Path) -> None:
    service, lock = project / SERVICE_FOLDER, project / LOCK_FILE
    for path in (service, lock):
        if not path.exists():
            raise SpecError(
                str(path),
                expected="a part of every Titlebout project",
                found="nothing",
                next_step="restore it from upstream",
            )
    shutil.copytree(service, source, ignore=NO_BYTECODE)
    shutil.copytree(model_folder, source / MODEL)
    for room in SHIPPED_ROOMS:
        shutil.copytree(LIBRARY / room, source / "titlebout" / room, ignore=NO_BYTECODE)
    shutil.copy(LIBRARY / "__init__.py", source / "titlebout")
    requirements = serving_requirements(lock, Contract.from_json(model_folder / CONTRACT_FILE))
    (source / "requirements.txt").write_text("\n".join(requirements) + "\n")


def _build(source: Path, home: Path, digest: str) -> Path:
    """Build in a process of its own: BentoML reads its home folder once, when it is imported."""
    home.mkdir()
    contract = Contract.from_json(source / MODEL / CONTRACT_FILE)
    version = digest[:VERSION_CHARACTERS]
    build = [
        sys.executable,
        "-m",
        "bentoml",
        "build",
        str(source),
        "--name",
        contract.model,
        "--version",
        version,
    ]
    variables = {**os.environ, **QUIET, "BENTOML_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        build, env=variables, cwd=source, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        found = " ".join((done.stderr or done.stdout).split())[-ERROR_CHARACTERS:]
        raise SpecError(
            f"the Bento of {contract.model}",
            expected="to be built",
            found=found,
            next_step="fix bentos/tabular",
        )
    return home / "bentos" / contract.model / version


def _check_digest(bento: Path, digest: str) -> None:
    found = digest_of_folder(bento / BENTO_SOURCE)
    if found != digest:
        raise IntegrityError(
            f"the package in {bento}",
            expected=f"digest {digest}",
            found=f"digest {found}",
            next_step="delete the folder and release again; its content was altered",
        )


def _fix_creation_time(description: Path) -> None:
    """Write a fixed creation time, so that a package built again has the same description.

    A running slot's seal holds the description's digest. BentoML accepts any time there.
    """
    text = re.sub(
        r"(?m)^(\s*creation_time:).*$", r"\1 '1970-01-01T00:00:00+00:00'", description.read_text()
    )
    description.write_text(text)


def _move_into_place(built: Path, bento: Path) -> None:
    """Copy the folder to its place, whole or not at all.

    Another process may have been first; both built the same.
    """
    bento.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(bento)
    shutil.copytree(built, partial)
    try:
        partial.rename(bento)
    except OSError:
        shutil.rmtree(partial)
        if not (bento / BENTO_FILE).is_file():
            raise
