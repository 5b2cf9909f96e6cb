"""Start a server process detached, find it again by its pid file, restart it, and stop it."""

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psutil
from filelock import FileLock

from titlebout.atomic_files import write_whole
from titlebout.processes.log import OWNER_ONLY, log_path, log_tail, open_log
from titlebout.spec import Busy, ProcessFailed, Record, SpecError
from titlebout.waiting import wait_until

log = logging.getLogger(__name__)

# Tells whose process it is if its starter died before it wrote the pid file.
MARK_VARIABLE = "TITLEBOUT_PROCESS"
POLL_SECONDS = 0.05
# Start times count from the boot time, which clock adjustments move a little.
CLOCK_SLACK_SECONDS = 2.0
# Only the owner may read what a server writes here: inference tables, databases, logs.
PRIVATE_UMASK = 0o077
# The kernel removes a killed process at once; longer means that it hangs in the kernel.
KILL_SECONDS = 5.0


class ProcessRecord(Record):
    """Hold what the pid file says.

    `created` (seconds since the epoch) tells this process from a later one that was given the same
    pid.
    """

    pid: int
    created: float
    command: tuple[str, ...]


class Start(Protocol):
    """Describe `start` and `restart` as one type."""

    def __call__(
        self, name: str, command: Sequence[str], *, home: Path, env: Mapping[str, str], cwd: Path
    ) -> ProcessRecord | None:
        """Start the process, and return its record."""


def start(
    name: str, command: Sequence[str], *, home: Path, env: Mapping[str, str], cwd: Path
) -> ProcessRecord:
    """Start the command in a session of its own, with `env` added to this process's variables.

    If it runs already, it is left alone. Raise Busy if another command runs under that name.
    """
    with _lock(name, home):
        if process := running(name, home) or orphan(name, home):
            return _adopt(process, name=name, home=home, command=command)
        log.info("start %s in %s", name, home)
        return _spawn(name, command, home=home, env=env, cwd=cwd)


def restart(
    name: str, command: Sequence[str], *, home: Path, env: Mapping[str, str], cwd: Path
) -> ProcessRecord | None:
    """Start again what was started here and ended by itself.

    Return None if it runs, or if somebody stopped it: then its pid file is gone.
    """
    with _lock(name, home):
        if recorded(name, home) is None or running(name, home):
            return None
        return _spawn(name, command, home=home, env=env, cwd=cwd)


def running(name: str, home: Path) -> psutil.Process | None:
    """Return the live process that the pid file names.

    Return None if there is none, if it ended, or if its pid now belongs to another.
    """
    record = recorded(name, home)
    if record is None:
        return None
    try:
        process = psutil.Process(record.pid)
        same = (
            abs(process.create_time() - record.created) < CLOCK_SLACK_SECONDS
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def orphan(name: str, home: Path) -> psutil.Process | None:
    """Return a process of this name whose starter died before it wrote the pid file, or None."""
    for process in psutil.process_iter():
        try:
            # Descendants carry the mark, too.
            if (
                _leads_session(process)
                and process.environ().get(MARK_VARIABLE) == _make_mark(name, home)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                return process
        except (psutil.Error, OSError):  # it ended meanwhile, or is another user's
            continue
    return None


def stop(name: str, home: Path, grace_seconds: float) -> bool:
    """Ask the process to end; kill it and its descendants after the grace.

    Return False if it was not running.
    """
    with _lock(name, home):  # nobody starts it again meanwhile
        process = running(name, home) or orphan(name, home)
        if process is not None:
            log.info("stop %s in %s, process %d", name, home, process.pid)
            family = _find_family(process)
            process.send_signal(signal.SIGTERM)
            survivors = _wait_for_survivors(family, timeout_seconds=grace_seconds)
            for survivor in survivors:
                survivor.kill()
            _wait_for_survivors(survivors, timeout_seconds=KILL_SECONDS)
        pid_path(name, home).unlink(missing_ok=True)
    return process is not None


def kill(record: ProcessRecord, name: str, home: Path) -> bool:
    """Kill a process that hangs, and keep its pid file, so that `restart` starts it again.

    Return False if it is not what runs now.
    """
    with _lock(name, home):
        process = running(name, home)
        if process is None or recorded(name, home) != record:
            return False
        family = _find_family(process)
        for member in family:
            member.kill()
        _wait_for_survivors(family, timeout_seconds=KILL_SECONDS)
    return True


def wait_until_ready(
    name: str, home: Path, ready: Callable[[], bool], *, timeout_seconds: float
) -> None:
    """Wait until the process is ready.

    Raise ProcessFailed, with the end of the log, if it ends or is not ready in time.
    """

    def is_ready() -> bool:
        if ready():
            return True
        if running(name, home) is None:
            raise _failed_error(name, home, found="the process ended")
        return False

    if not wait_until(is_ready, seconds=timeout_seconds, poll_seconds=POLL_SECONDS):
        raise _failed_error(name, home, found=f"no answer within {timeout_seconds:g} s")


def recorded(name: str, home: Path) -> ProcessRecord | None:
    """Return what the pid file says; None if there is none."""
    path = pid_path(name, home)
    try:
        return ProcessRecord.from_json(path)
    except SpecError:
        if path.is_file():
            raise
        return None  # never written, or removed by `stop` this very moment


def pid_path(name: str, home: Path) -> Path:
    """Return the path of the process's pid file."""
    return home / "run" / f"{name}.json"


def _lock(name: str, home: Path) -> FileLock:
    path = pid_path(name, home)
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{path}.lock")


def _spawn(
    name: str, command: Sequence[str], *, home: Path, env: Mapping[str, str], cwd: Path
) -> ProcessRecord:
    with open_log(name, home) as log:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **env, MARK_VARIABLE: _make_mark(name, home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=PRIVATE_UMASK,
        )
    return _write_record(pid_path(name, home), psutil.Process(child.pid), command=command)


def _make_mark(name: str, home: Path) -> str:
    return str(pid_path(name, home).resolve())


def _adopt(
    process: psutil.Process, *, name: str, home: Path, command: Sequence[str]
) -> ProcessRecord:
    record = recorded(name, home)
    # The starter died between starting it and writing this.
    if record is None or record.pid != process.pid:
        return _write_record(pid_path(name, home), process, command=command)
    if record.command != tuple(command):
        raise Busy(
            f"process {name} (pid {record.pid})",
            expected=f"`{' '.join(command)}`",
            found=f"`{' '.join(record.command)}` runs under that name",
            next_step="stop it first",
        )
    return record


def _write_record(path: Path, process: psutil.Process, *, command: Sequence[str]) -> ProcessRecord:
    record = ProcessRecord(pid=process.pid, created=process.create_time(), command=tuple(command))
    with write_whole(path, mode=OWNER_ONLY) as file:
        file.write(record.canonical_json().encode())
    return record


def _find_family(process: psutil.Process) -> list[psutil.Process]:
    """Return the process and its descendants, without those that lead a session.

    Those were started here under their own names.
    """
    return [
        process,
        *(child for child in process.children(recursive=True) if not _leads_session(child)),
    ]


def _leads_session(process: psutil.Process) -> bool:
    try:
        return os.getsid(process.pid) == process.pid
    except OSError:  # it ended meanwhile
        return False


def _wait_for_survivors(
    family: list[psutil.Process], *, timeout_seconds: float
) -> list[psutil.Process]:
    """Return the processes that have not ended by then."""
    return wait_until(
        lambda: [process for process in family if not _has_ended(process)],
        lambda alive: not alive,
        seconds=timeout_seconds,
        poll_seconds=POLL_SECONDS,
    )


def _has_ended(process: psutil.Process) -> bool:
    """Tell whether the process has ended; a zombie has.

    Its parent, another command that started it and is still busy, collects it later.
    """
    try:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return False
        process.wait(timeout=0)  # collects it, if it is this process's own child
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        pass
    return True


def _failed_error(name: str, home: Path, *, found: str) -> ProcessFailed:
    return ProcessFailed(
        f"process {name}",
        expected="a server that becomes ready",
        found=f"{found}; the end of its log:\n{log_tail(name, home)}\n",
        next_step=f"read {log_path(name, home)}",
    )
