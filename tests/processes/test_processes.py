"""Start server processes detached, find them again safely, and stop them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from titlebout import processes
from titlebout.spec import Busy, ProcessFailed

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(60)",
]
PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print('born', flush=True); time.sleep(60)",
]


@pytest.fixture
def home(tmp_path: Path):
    """Return a folder for processes, which are stopped after the test."""
    yield tmp_path
    for pid_file in (tmp_path / "run").glob("*.json"):
        processes.stop(pid_file.stem, tmp_path, 0.2)


def start(name: str, command: list[str], home: Path) -> processes.ProcessRecord:
    """Start the command under the name."""
    return processes.start(name, command, home=home, env={}, cwd=home)


def test_a_started_process_is_found_again_and_stopped(home: Path):
    """`running` finds what `start` began, and `stop` ends it."""
    record = start("sleeper", SLEEPER, home)
    found = processes.running("sleeper", home)
    assert found is not None
    assert found.pid == record.pid
    assert processes.stop("sleeper", home, 5)
    assert processes.running("sleeper", home) is None
    assert not psutil.pid_exists(record.pid)


def test_a_second_start_leaves_the_first_alone(home: Path):
    """A second start of the same command changes nothing; another command is refused."""
    assert start("sleeper", SLEEPER, home) == start("sleeper", SLEEPER, home)
    with pytest.raises(Busy, match="runs under that name"):
        start("sleeper", STUBBORN, home)


def test_a_process_survives_the_death_of_its_starter(home: Path):
    """The process lives on when its starter is killed with its whole group."""
    code = (
        f"from titlebout import processes; from pathlib import Path; home = Path({str(home)!r})\n"
    )
    code += f"processes.start('sleeper', {SLEEPER!r}, home=home, env={{}}, cwd=home)\n"
    code += "print('up', flush=True); import time; time.sleep(60)"
    starter = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"up\n"
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert processes.running("sleeper", home) is not None


def test_a_reused_pid_is_not_taken_for_the_process(home: Path):
    """A process with another start time is not ours, and is never signalled."""
    other_process = subprocess.Popen(SLEEPER)
    try:
        record = processes.ProcessRecord(
            pid=other_process.pid,
            created=psutil.Process(other_process.pid).create_time() - 100,
            command=tuple(SLEEPER),
        )
        processes.pid_path("sleeper", home).parent.mkdir(parents=True)
        processes.pid_path("sleeper", home).write_text(record.canonical_json())
        assert processes.running("sleeper", home) is None
        assert not processes.stop("sleeper", home, 1)
        assert other_process.poll() is None
    finally:
        other_process.kill()
        other_process.wait()


def test_a_process_without_its_pid_file_is_adopted(home: Path):
    """The next start finds a process without a pid file, and starts no second one.

    So it is if the starter died before it wrote the pid file.
    """
    record = start("sleeper", SLEEPER, home)
    processes.pid_path("sleeper", home).unlink()
    assert start("sleeper", SLEEPER, home).pid == record.pid


def test_a_process_that_ignores_the_request_to_end_is_killed(home: Path):
    """A process that ignores SIGTERM is killed after the grace."""
    record = start("stubborn", STUBBORN, home)
    processes.wait_until_ready(
        "stubborn", home, lambda: "deaf" in processes.log_tail("stubborn", home), timeout_seconds=20
    )
    processes.stop("stubborn", home, 0.2)
    assert not psutil.pid_exists(record.pid)


def test_descendants_end_with_their_process(home: Path):
    """A worker that does not end with its parent is killed after the grace."""
    start("parent", PARENT, home)
    processes.wait_until_ready(
        "parent", home, lambda: "born" in processes.log_tail("parent", home), timeout_seconds=20
    )
    parent = processes.running("parent", home)
    assert parent is not None
    (child,) = parent.children()
    processes.stop("parent", home, 0.2)
    child.wait(timeout=20)  # it is dead; that it is gone is for init to see to


def test_a_process_that_ends_early_shows_the_end_of_its_log(home: Path):
    """Waiting for a process that ended fails at once, with the end of its log."""
    start("broken", [sys.executable, "-c", "raise SystemExit('no such port')"], home)
    with pytest.raises(ProcessFailed, match=r"the process ended.*\n.*no such port"):
        processes.wait_until_ready("broken", home, lambda: False, timeout_seconds=20)


def test_a_process_that_its_busy_starter_does_not_collect_is_not_waited_for(home: Path):
    """A zombie of its starter counts as ended, long before the grace is over.

    So it is if another process stops it.
    """
    record = start("sleeper", SLEEPER, home)
    code = (
        "from titlebout import processes; from pathlib import Path;"
        f"processes.stop('sleeper', Path({str(home)!r}), 300)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert psutil.Process(record.pid).status() == psutil.STATUS_ZOMBIE
    psutil.Process(record.pid).wait(timeout=0)


def test_a_process_without_its_pid_file_is_stopped_too(home: Path):
    """`stop` ends a process without a pid file.

    So it is if the starter died before it wrote the pid file.
    """
    record = start("sleeper", SLEEPER, home)
    processes.pid_path("sleeper", home).unlink()
    assert processes.stop("sleeper", home, 5)
    assert not psutil.pid_exists(record.pid)
