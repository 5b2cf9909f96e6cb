"""Limit how often the same thing is logged."""

import logging

from titlebout.serve.log_limit import MOST, WINDOW_SECONDS, RateLimit


class LineHandler(logging.Handler):
    """Keep the lines that are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's line."""
        self.lines.append(record.getMessage())


def test_a_flood_is_a_few_lines_and_a_count() -> None:
    """A flood of one message is a few lines, whatever its values.

    Another message is not held back by it, and the next window says how many were left out.
    """
    now, kept = [0.0], LineHandler()
    logger = logging.Logger("limited")
    logger.addHandler(kept)
    logger.addFilter(RateLimit(clock=lambda: now[0]))

    def log_failure(number: int) -> None:
        logger.error("request %d failed", number)

    for number in range(1_000):
        log_failure(number)
    logger.error("another")
    assert kept.lines == [*(f"request {number} failed" for number in range(MOST)), "another"]
    now[0] += WINDOW_SECONDS
    log_failure(1_000)
    log_failure(1_001)
    assert kept.lines[MOST + 1 :] == [
        f"request 1000 failed ({1_000 - MOST} more like it were not logged)",
        "request 1001 failed",
    ]
