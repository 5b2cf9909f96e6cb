"""Give a model its ports in an environment: three in a row, given once and kept."""

import secrets
from itertools import count
from pathlib import Path

from filelock import FileLock

from titlebout.atomic_files import write_durably
from titlebout.spec import Record, RolloutError

PORTS_FILE = "ports.json"
PORTS_PER_MODEL = 3
HIGHEST_PORT = 65535


class Ports(Record):
    """Hold a model's ports.

    `address` tells this live address from a later one with the same name, in the keys of the
    ledger.
    """

    address: str
    live: int
    blue: int
    green: int


def allocate_ports(serving_home: Path, model: str, *, first: int) -> Ports:
    """Return the model's ports.

    The first call gives them: the lowest free triple counted from `first`.
    """
    path = serving_home / model / PORTS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(serving_home / "ports.lock"):
        if path.is_file():
            return Ports.from_json(path)
        ports = _find_lowest_free(
            first, taken={Ports.from_json(p).live for p in serving_home.glob(f"*/{PORTS_FILE}")}
        )
        write_durably(path, ports.canonical_json())
        return ports


def _find_lowest_free(first: int, *, taken: set[int]) -> Ports:
    live = next(port for port in count(first, PORTS_PER_MODEL) if port not in taken)
    if live + PORTS_PER_MODEL - 1 > HIGHEST_PORT:
        raise RolloutError(
            f"ports from {first} on",
            expected="three free ports",
            found=f"{len(taken)} models have them all",
            next_step="set a lower serving.port in environment.yaml",
        )
    return Ports(address=secrets.token_hex(8), live=live, blue=live + 1, green=live + 2)
