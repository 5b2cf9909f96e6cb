"""Start and stop a model's supervisor, the process that runs `titlebout.rollout.supervisor`."""

import sys
from pathlib import Path

from titlebout import processes

SUPERVISOR = "supervisor"
STOP_GRACE_SECONDS = 5.0


def start_supervisor(home: Path) -> None:
    """Start the supervisor of the model's serving folder, unless it runs."""
    processes.start(
        SUPERVISOR,
        [sys.executable, "-P", "-m", "titlebout.rollout.supervisor", str(home)],
        home=home,
        env={},
        cwd=home,
    )


def stop_supervisor(home: Path) -> bool:
    """Stop the supervisor, and nothing that it started; return False if it was not running."""
    return processes.stop(SUPERVISOR, home, STOP_GRACE_SECONDS)
