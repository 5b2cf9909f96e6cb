"""Three free ports in a row, as a model's serving needs them."""

import random
import socket
from contextlib import closing

FIRSTS = range(
    10_240, 29_000
)  # below those given to clients and NodePorts: a server that starts again finds its port free


def first_of_three():
    while True:
        first = random.choice(FIRSTS)
        if all(_is_free(port) for port in range(first, first + 3)):
            return first


def _is_free(port):
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
