"""What a server is told when it is deployed: which release it is, in which slot, and where its inference table goes."""

import os
from pathlib import Path
from typing import NamedTuple

from titlebout.spec import Release, SpecError

RELEASE_VARIABLE, SLOT_VARIABLE, INFERENCE_VARIABLE = "TITLEBOUT_RELEASE_FILE", "TITLEBOUT_SLOT", "TITLEBOUT_INFERENCE_DIR"


class Deployment(NamedTuple):
    release: Release
    slot: str
    inference: str


def read_deployment() -> Deployment:
    """From the environment; raises SpecError naming the variable or the file that is wrong."""
    release, slot, inference = map(_variable, (RELEASE_VARIABLE, SLOT_VARIABLE, INFERENCE_VARIABLE))
    return Deployment(Release.from_json(Path(release)), slot, inference)


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise SpecError(
        f"the variable {name}", expected="a value: it is given at deployment", found="none", next_step="set it; see docs/serving.md"
    )
