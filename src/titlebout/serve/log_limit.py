"""Limit how often the same thing is logged.

Whoever can cause a message must not be able to fill the disk with it.
"""

import logging
import time
from collections.abc import Callable

WINDOW_SECONDS = 60.0
MOST = 5  # of one message, in one window
LIMITED = ("titlebout.serve", "uvicorn.error", "asyncio", "bentoml")


class RateLimit(logging.Filter):
    """Let through the first few records of each line that logs.

    The next window's first record says how many were left out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # By the line that logs: when the window began, and how many records came in it.
        self._windows = dict[tuple[str, int], tuple[float, int]]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is to be logged."""
        now, key = self._clock(), (record.pathname, record.lineno)
        began, count = self._windows.get(key, (now, 0))
        if now - began >= WINDOW_SECONDS:
            if count > MOST:
                record.msg = (
                    f"{record.getMessage()} ({count - MOST:,} more like it were not logged)"
                )
                record.args = ()
            began, count = now, 0
        self._windows[key] = (began, count + 1)
        return count < MOST


def limit_logs() -> None:
    """Limit the loggers through which a request can cause messages."""
    for name in LIMITED:
        logger = logging.getLogger(name)
        if not any(isinstance(one, RateLimit) for one in logger.filters):
            logger.addFilter(RateLimit())
