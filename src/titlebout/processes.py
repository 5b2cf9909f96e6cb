"""Server processes that outlive the command that started them: started detached, found again by pid file, stopped with grace."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
from filelock import FileLock

from titlebout.spec import Busy, ProcessFailed, Record

MARK_VARIABLE = "TITLEBOUT_PROCESS"  # tells whose process it is, should its starter die before it wrote the pid file
POLL_SECONDS = 0.05
PROBE_SECONDS = 2.0  # a server on this machine that has not answered by then is not ready
CLOCK_SLACK_SECONDS = 2.0  # start times count from the boot time, which clock adjustments move a little
LOG_TAIL_LINES = 12
KILL_SECONDS = 5.0  # the kernel removes a killed process at once; longer means that it hangs in the kernel


class ProcessRecord(Record):
    """The pid file. `created` (seconds since the epoch) tells this process from a later one that was given the same pid."""

    pid: int
    created: float
    command: tuple[str, ...]


def start(name: str, command: Sequence[str], *, home: Path, env: Mapping[str, str], cwd: Path) -> ProcessRecord:
    """Start the command in a session of its own, with `env` added to this process's variables.

    If it runs already, it is left alone; raises Busy if another command runs under that name.
    """
    pid_file, log_file = pid_path(name, home), log_path(name, home)
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{pid_file}.lock"):
        if process := running(name, home) or orphan(name, home):
            return _adopted(process, name=name, home=home, command=command)
        with log_file.open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **env, MARK_VARIABLE: _mark(name, home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return _write(pid_file, psutil.Process(child.pid), command=command)


def running(name: str, home: Path) -> psutil.Process | None:
    """The live process that the pid file names; None if there is none, if it ended, or if its pid now belongs to another."""
    record = recorded(name, home)
    if record is None:
        return None
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.created) < CLOCK_SLACK_SECONDS and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def orphan(name: str, home: Path) -> psutil.Process | None:
    """A process started under this name whose starter died before it wrote the pid file."""
    for process in psutil.process_iter():
        try:
            leads = os.getsid(process.pid) == process.pid  # descendants carry the mark too
            if leads and process.environ().get(MARK_VARIABLE) == _mark(name, home) and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except (psutil.Error, OSError):  # it ended meanwhile, or is another user's
            continue
    return None


def stop(name: str, home: Path, grace_seconds: float) -> bool:
    """Ask the process to end, kill it and its descendants after the grace; False if it was not running."""
    process = running(name, home) or orphan(name, home)
    if process is not None:
        family = _family(process)
        process.send_signal(signal.SIGTERM)
        survivors = _survivors(family, timeout_seconds=grace_seconds)
        for survivor in survivors:
            survivor.kill()
        _survivors(survivors, timeout_seconds=KILL_SECONDS)
    pid_path(name, home).unlink(missing_ok=True)
    return process is not None


def wait_until_ready(name: str, home: Path, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
    """Raises ProcessFailed, with the end of the log, if the process ends or is not ready in time."""
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if running(name, home) is None:
            raise _failed(name, home, found="the process ended")
        if time.monotonic() > deadline:
            raise _failed(name, home, found=f"no answer within {timeout_seconds:g} s")
        time.sleep(POLL_SECONDS)


def answers(url: str) -> bool:
    """Whether a GET on this machine's own server is answered with success."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy from the environment cannot reach this machine
    try:
        with opener.open(url, timeout=PROBE_SECONDS) as response:
            return bool(response.status < 400)
    except (urllib.error.URLError, OSError):
        return False


def recorded(name: str, home: Path) -> ProcessRecord | None:
    path = pid_path(name, home)
    return ProcessRecord.from_json(path) if path.is_file() else None


def pid_path(name: str, home: Path) -> Path:
    return home / "run" / f"{name}.json"


def log_path(name: str, home: Path) -> Path:
    return home / "logs" / f"{name}.log"


def log_tail(name: str, home: Path) -> str:
    path = log_path(name, home)
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _mark(name: str, home: Path) -> str:
    return str(pid_path(name, home).resolve())


def _adopted(process: psutil.Process, *, name: str, home: Path, command: Sequence[str]) -> ProcessRecord:
    record = recorded(name, home)
    if record is None or record.pid != process.pid:  # the starter died between starting it and writing this
        return _write(pid_path(name, home), process, command=command)
    if record.command != tuple(command):
        raise Busy(
            f"process {name} (pid {record.pid})",
            expected=f"`{' '.join(command)}`",
            found=f"`{' '.join(record.command)}` runs under that name",
            next_step="stop it first",
        )
    return record


def _write(path: Path, process: psutil.Process, *, command: Sequence[str]) -> ProcessRecord:
    record = ProcessRecord(pid=process.pid, created=process.create_time(), command=tuple(command))
    partial = path.with_suffix(".partial")
    partial.write_text(record.canonical_json())
    partial.replace(path)
    return record


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _survivors(family: list[psutil.Process], *, timeout_seconds: float) -> list[psutil.Process]:
    """Those that have not ended by then."""
    deadline = time.monotonic() + timeout_seconds
    while (alive := [process for process in family if not _has_ended(process)]) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return alive


def _has_ended(process: psutil.Process) -> bool:
    """A zombie has: its parent, another command that started it and is still busy, collects it later."""
    try:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return False
        process.wait(timeout=0)  # collects it, if it is this process's own child
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        pass
    return True


def _failed(name: str, home: Path, *, found: str) -> ProcessFailed:
    return ProcessFailed(
        f"process {name}",
        expected="a server that becomes ready",
        found=f"{found}; its last words:\n{log_tail(name, home)}\n",
        next_step=f"read {log_path(name, home)}",
    )
