"""List what a Bento needs installed, each package pinned to its version in `requirements.lock`."""

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
    """Return all that serving the contract's engine imports, and what that requires.

    Raise SpecError for a package that is not locked.
    """
    needed = (*SERVES, *(SERVES_SKLEARN if contract.engine.name == "sklearn" else ()))
    pins = _read_pins(lock_file.read_text())
    if missing := [name for name in needed if name not in pins]:
        raise SpecError(
            str(lock_file),
            expected=f"a version of {', '.join(missing)}",
            found="none",
            next_step="run `make lock`",
        )
    names = _add_requirements(needed)
    extra = contract.requires if contract.engine.name == "sklearn" else ()
    return sorted({*(pin for name in names for pin in pins.get(name, ())), *extra})


def _read_pins(lock: str) -> dict[str, list[str]]:
    """Return the pins by name. A name may occur twice, for different versions of Python."""
    pins: dict[str, list[str]] = {}
    for found in PIN.finditer(lock):
        pins.setdefault(_normalize(found["name"]), []).append(
            f"{_normalize(found['name'])}=={found['rest']}"
        )
    return pins


def _add_requirements(names: tuple[str, ...]) -> set[str]:
    """Add what the installed distributions declare that they require on this platform.

    Extras are left out, as none are requested.
    """
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
                waiting.append(_normalize(requirement.name))
    return found


def _normalize(name: str) -> str:
    """Return the name in the normal form of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
