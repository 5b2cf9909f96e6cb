"""Wait for an MLflow server that does not answer, and make calls again that may be made twice."""

import functools
import logging
import math
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from titlebout import processes
from titlebout.spec import RegistryAway

# by then, a pod that moves to another node is back, or a load balancer that is replaced
CLUSTER_SECONDS = 180.0
# a server on a busy machine answers by then; one that does not run stays away
LOCAL_SECONDS = 20.0
POLL_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 16.0
ONCE_SECONDS = 0.0

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])
log = logging.getLogger(__name__)


def again(method: Method) -> Method:
    """Decorate a method that may be called twice.

    It is called again while the server does not answer, for as long as `self._connection` waits.
    """

    @functools.wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._connection.patiently(functools.partial(method, self, *args, **kwargs))

    return cast("Method", called)


def patiently(do: Callable[[], T], *, address: str, seconds: float) -> T:
    """Return what `do` returns; call it again while the server is away.

    Raise RegistryAway after so many seconds without an answer.
    """
    deadline, pause = math.inf, POLL_SECONDS
    while True:
        try:
            return do()
        except RegistryAway as error:
            # the time counts from the first call that was not answered
            deadline = min(deadline, time.monotonic() + seconds)
            if not comes_back(address, deadline=deadline):
                raise
            log.warning("%s is up; asking again in %g s", error.subject, pause)
            time.sleep(pause)  # /health answers before the rest of the server does
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def comes_back(address: str, *, deadline: float) -> bool:
    """Wait until the server is healthy, and return True.

    Return False if it is not by the deadline, or if nothing on this machine listens there.
    """
    is_logged = False
    while time.monotonic() < deadline:
        if processes.answers(f"{address}/health"):
            return True
        if _is_refused_here(address):
            return False
        if not is_logged:
            log.warning(
                "the MLflow server at %s does not answer; waiting for up to %.0f s",
                address,
                deadline - time.monotonic(),
            )
            is_logged = True
        time.sleep(POLL_SECONDS)
    return False


def _is_refused_here(address: str) -> bool:
    """Tell whether this machine refuses the connection.

    In front of a cluster's server, a tunnel listens here.
    """
    url = urlsplit(address)
    if url.hostname not in ("127.0.0.1", "localhost"):
        return False
    try:
        socket.create_connection((url.hostname, url.port or 80), timeout=POLL_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
