"""Where the project is, and which code it runs."""

import os
import subprocess
from pathlib import Path

from titlebout.spec.errors import SpecError

PROJECT_VARIABLE, CODE_VERSION_VARIABLE = "TITLEBOUT_PROJECT", "TITLEBOUT_CODE_VERSION"


def find_project(start: Path | None = None) -> Path:
    """The nearest folder, upwards, that holds `models/` and `environments/`; TITLEBOUT_PROJECT names it directly."""
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
    """The commit that runs, with `-dirty` if the tree differs from it; baked into images as TITLEBOUT_CODE_VERSION."""
    if baked := os.environ.get(CODE_VERSION_VARIABLE):
        return baked
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unversioned"
