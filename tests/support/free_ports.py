"""Find free ports in a row, as the servers of a model or of a whole project need them."""

import os
import random
import socket
from contextlib import closing

# Below the ports given to clients and NodePorts: a server that starts again finds its port free.
FIRST, END = 10_240, 29_000
# Each of pytest-xdist's workers has a band of its own, so that no two take the same ports.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
BAND = (END - FIRST) // WORKERS


def first_of_three() -> int:
    """Return the first of three free ports in a row, as a model's serving needs them."""
    return free_ports(3)[0]


def free_ports(number: int) -> range:
    """Return so many free ports in a row."""
    lowest = FIRST + WORKER * BAND
    while True:
        first = random.randrange(lowest, lowest + BAND - number + 1)
        ports = range(first, first + number)
        if all(_is_free(port) for port in ports):
            return ports


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
