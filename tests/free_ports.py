"""Three free ports in a row, as a model's serving needs them."""

import socket
from contextlib import closing

HIGHEST_FIRST = 65000


def first_of_three():
    while True:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        if first < HIGHEST_FIRST and all(_is_free(port) for port in range(first, first + 3)):
            return first


def _is_free(port):
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
