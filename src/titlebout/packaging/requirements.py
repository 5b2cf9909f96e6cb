"""What a Bento needs installed, each pinned to the version in `requirements.lock`."""

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from titlebout.spec import Contract, SpecError

SERVES = (
    "bentoml",
    "httptools",
    "msgspec",
    "numpy",
    "onnxruntime",
    "prometheus-client",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "uvicorn",
    "uvloop",
)
SERVES_SKLEARN = ("pandas", "scikit-learn", "skops")
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<rest>[^\\]+?)\s*\\?$", re.MULTILINE)


def serving_requirements(lock_file: Path, contract: Contract) -> list[str]:
    """Everything that serving the contract's engine imports, and what that requires; raises SpecError for what is not locked."""
    needed = (*SERVES, *(SERVES_SKLEARN if contract.engine.name == "sklearn" else ()))
    pins = _pins(lock_file.read_text())
    if missing := [name for name in needed if name not in pins]:
        raise SpecError(
            str(lock_file),
            expected=f"a version of {', '.join(missing)}",
            found="none",
            next_step="run `make lock`",
        )
    names = _with_requirements(needed)
    extra = contract.requires if contract.engine.name == "sklearn" else ()
    return sorted({*(pin for name in names for pin in pins.get(name, ())), *extra})


def _pins(lock: str) -> dict[str, list[str]]:
    """A name may stand there twice, for different versions of Python."""
    pins: dict[str, list[str]] = {}
    for found in PIN.finditer(lock):
        pins.setdefault(_plain(found["name"]), []).append(
            f"{_plain(found['name'])}=={found['rest']}"
        )
    return pins


def _with_requirements(names: tuple[str, ...]) -> set[str]:
    """As the installed distributions declare it, for this platform; extras left out, as none are asked for."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(_plain(requirement.name))
    return found


def _plain(name: str) -> str:
    """PEP 503's normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()
