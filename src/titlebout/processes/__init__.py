"""Run server processes that outlive the command that started them.

They are started detached, found again by pid file, and stopped after a time of grace.
"""

from titlebout.processes.lifecycle import (
    POLL_SECONDS,
    ProcessRecord,
    Start,
    kill,
    orphan,
    pid_path,
    recorded,
    restart,
    running,
    start,
    stop,
    wait_until_ready,
)
from titlebout.processes.log import log_path, log_tail, rotate_log
from titlebout.processes.probe import answers, responds

__all__ = [
    "POLL_SECONDS",
    "ProcessRecord",
    "Start",
    "answers",
    "kill",
    "log_path",
    "log_tail",
    "orphan",
    "pid_path",
    "recorded",
    "responds",
    "restart",
    "rotate_log",
    "running",
    "start",
    "stop",
    "wait_until_ready",
]
