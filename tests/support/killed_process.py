"""Kill a release with SIGKILL in the middle of its work."""

import os
import signal

from support.release_project import ReleaseProject


def release_in_killed_process(release_project: ReleaseProject, step: int) -> bool:
    """Release in a child process that kills itself at its progress line number `step`.

    Return False if the release ended before.
    """
    child = os.fork()
    if child == 0:
        seen = []

        def die(line: str) -> None:
            seen.append(line)
            if len(seen) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            release_project.release(progress=die)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
