"""Wait for an API server that is replaced, or moved by its load balancer."""

from collections.abc import Callable
from typing import TypeVar

from titlebout.spec import ClusterAway
from titlebout.waiting import retry

AWAY_SECONDS = 180.0
POLL_SECONDS = 0.5
T = TypeVar("T")


def patiently(do: Callable[[], T], *, seconds: float = AWAY_SECONDS) -> T:
    """Return what `do` returns; call it again while the cluster does not answer.

    Raise ClusterAway when the time is over.
    """
    return retry(do, ClusterAway, seconds=seconds, poll_seconds=POLL_SECONDS)
