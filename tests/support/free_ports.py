"""Free ports in a row, as the servers of a model or of a whole project need them."""

import random
import socket
from contextlib import closing

FIRSTS = range(
    10_240, 29_000
)  # below those given to clients and NodePorts: a server that starts again finds its port free


def first_of_three():
    """Return the first of three free ports in a row, as a model's serving needs them."""
    return free_ports(3)[0]


def free_ports(number):
    """Return so many free ports in a row."""
    while True:
        first = random.choice(FIRSTS)
        ports = range(first, first + number)
        if all(_is_free(port) for port in ports):
            return ports


def _is_free(port):
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
