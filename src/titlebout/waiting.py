"""Wait for what another process does: look again until it is there, or try again until it works."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    read: Callable[[], T],
    is_wanted: Callable[[T], bool] = bool,
    *,
    seconds: float,
    poll_seconds: float,
) -> T:
    """Read until the value is as wanted, or until the time is over. Return the value read last."""
    deadline = time.monotonic() + seconds
    while not is_wanted(value := read()) and time.monotonic() <= deadline:
        time.sleep(poll_seconds)
    return value


def retry(
    do: Callable[[], T],
    *errors: type[Exception],
    seconds: float,
    poll_seconds: float,
) -> T:
    """Return what `do` returns. After one of these errors do it again, until the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return do()
        except errors:
            if time.monotonic() > deadline:
                raise
        time.sleep(poll_seconds)
