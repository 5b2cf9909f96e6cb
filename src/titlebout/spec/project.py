"""Find the project's folder, and the version of the code that runs."""

import os
import subprocess
from pathlib import Path

from titlebout.spec.errors import SpecError

PROJECT_VARIABLE = "TITLEBOUT_PROJECT"
CODE_VERSION_VARIABLE = "TITLEBOUT_CODE_VERSION"


def find_project(start: Path | None = None) -> Path:
    """Return the nearest folder, upwards, that holds `models/` and `environments/`.

    The variable TITLEBOUT_PROJECT names it directly. Raise SpecError if there is none.
    """
    if named := os.environ.get(PROJECT_VARIABLE):
        return Path(named).resolve()
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "models").is_dir() and (folder / "environments").is_dir():
            return folder
    raise SpecError(
        str(here),
        expected="a folder, here or above, that holds models/ and environments/",
        found="none",
        next_step=f"change into your fork of Titlebout, or set {PROJECT_VARIABLE}",
    )


def code_version(project: Path) -> str:
    """Return the commit that runs, with `-dirty` if the tree differs from it.

    An image has it in the variable TITLEBOUT_CODE_VERSION.
    """
    if version := os.environ.get(CODE_VERSION_VARIABLE):
        return version
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unversioned"
