"""A process that is killed with -9 in the middle of its work."""

import os
import signal

from support.release_project import House


def in_a_process_that_dies(house: House, step: int) -> bool:
    """Run the release in a child that kills itself when it reports its step number `step`; False if it ended before."""
    child = os.fork()
    if child == 0:
        seen = []

        def die(line: str) -> None:
            seen.append(line)
            if len(seen) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            house.release(progress=die)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
