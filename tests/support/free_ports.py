"""Three free ports in a row, as a model's serving needs them."""

import os
import random
import socket
from contextlib import closing

# Each of pytest-xdist's workers has triples of its own, so that no two take the same.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# Below the ports given to clients and NodePorts: a server that starts again finds its port free.
FIRSTS = range(10_240 + 3 * WORKER, 29_000, 3 * WORKERS)


def first_of_three() -> int:
    """Return the first of three ports in a row that nobody listens on."""
    while True:
        first = random.choice(FIRSTS)
        if all(_is_free(port) for port in range(first, first + 3)):
            return first


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
