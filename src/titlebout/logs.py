"""Send log records to standard error: lines for a person, JSON objects for a cluster's log store.

Standard output is for results alone. Progress for a person who waits is no log; it stays as it is.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType

FORMAT_VARIABLE = "TITLEBOUT_LOG_FORMAT"
JSON_FORMAT = "json"
TEXT_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
PACKAGE = "titlebout"


class JsonFormatter(logging.Formatter):
    """Write each record as one line: a JSON object with time, level, logger and message.

    An exception's traceback is the field `exception` of the same line.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        content = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content)


def is_json(variables: Mapping[str, str] = os.environ) -> bool:
    """Return whether log lines are JSON objects; the charts say so for their pods."""
    return variables.get(FORMAT_VARIABLE) == JSON_FORMAT


def configure_command_logs(*, is_verbose: bool) -> None:
    """Set up the logs of a command. Without either wish, Python's own rule stays: warnings only."""
    if is_json():
        _configure_json(logging.DEBUG if is_verbose else logging.INFO)
    elif is_verbose:
        _configure_text(logging.DEBUG)


def configure_pod_logs() -> None:
    """Set up the logs of a process that runs in a pod until it is ended."""
    if is_json():
        _configure_json(logging.INFO)
    else:
        _configure_text(logging.INFO)


def _configure_text(level: int) -> None:
    """Show titlebout's own records alone: other libraries keep the handlers that they have."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(TEXT_LINE))
    logger = logging.getLogger(PACKAGE)
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level)


def _configure_json(level: int) -> None:
    """Show every library's records, and Python's warnings and uncaught exceptions, as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(PACKAGE).setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger(PACKAGE).critical("%s: %s", kind.__name__, error, exc_info=error)


def _log_uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None:
        _log_uncaught(found.exc_type, found.exc_value, found.exc_traceback)
