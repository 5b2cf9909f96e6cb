"""An API server that is replaced, or moved by its load balancer, comes back."""

import time
from collections.abc import Callable
from typing import TypeVar

from titlebout.spec import ClusterAway

AWAY_SECONDS = 180.0
POLL_SECONDS = 0.5
T = TypeVar("T")


def patiently(do: Callable[[], T], *, seconds: float = AWAY_SECONDS) -> T:
    """What `do` returns, done again while the cluster does not answer; raises ClusterAway when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return do()
        except ClusterAway:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
