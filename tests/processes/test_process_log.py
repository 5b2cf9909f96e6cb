"""Limit the size of a server's log, which only its owner reads."""

import stat
import sys
import time
from pathlib import Path

import pytest

from titlebout import processes
from titlebout.processes import log

TALKER = [
    sys.executable,
    "-u",
    "-c",
    "import time\nfor n in range(100000): print(n, 'x' * 100, flush=True); time.sleep(0.001)",
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return a folder for processes, with a small limit for logs."""
    monkeypatch.setattr(log, "LOG_BYTES", 20_000)
    yield tmp_path
    processes.stop("talker", tmp_path, 0.2)


def log_sizes(home):
    """Return the size of every log in bytes."""
    return {path.name: path.stat().st_size for path in (home / "logs").iterdir()}


def wait_for(condition):
    """Wait until the condition is true."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_log_is_rotated_while_the_server_prints(home):
    """The process keeps its file, and prints next at its beginning.

    There are two files of limited size.
    """
    processes.start("talker", TALKER, home=home, env={}, cwd=home)
    for _ in range(3):
        wait_for(lambda: processes.rotate_log("talker", home))
    wait_for(lambda: log_sizes(home)["talker.log"] > 200)
    assert set(log_sizes(home)) == {"talker.log", "talker.log.1"}
    assert processes.log_path("talker", home).read_bytes()[:1].isdigit()
    numbers = [
        int(line.split()[0])
        for line in processes.log_path("talker", home).read_text().splitlines()[1:-1]
    ]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_log_that_is_not_full_is_left_alone(home):
    """Neither a short log nor an absent one is rotated."""
    assert not processes.rotate_log("talker", home)
    processes.log_path("talker", home).parent.mkdir()
    processes.log_path("talker", home).write_text("short")
    assert not processes.rotate_log("talker", home)
    assert log_sizes(home) == {"talker.log": 5}


def test_a_start_rotates_what_a_former_life_left(home):
    """A start rotates a full log, also where no supervisor does."""
    processes.log_path("talker", home).parent.mkdir()
    processes.log_path("talker", home).write_text("x" * 30_000)
    processes.start("talker", TALKER, home=home, env={}, cwd=home)
    assert log_sizes(home)["talker.log.1"] == 30_000
    assert log_sizes(home)["talker.log"] < 30_000


def test_only_its_owner_reads_what_a_server_writes(home):
    """Only the owner reads the logs and any file that the process makes itself."""
    code = "from pathlib import Path; Path('made.txt').write_text('x'); import time; time.sleep(60)"
    processes.log_path("talker", home).parent.mkdir()
    processes.log_path("talker", home).write_text("x" * 30_000)
    processes.log_path("talker", home).chmod(0o600)
    processes.start("talker", [sys.executable, "-c", code], home=home, env={}, cwd=home)
    wait_for((home / "made.txt").is_file)
    for path in (home / "made.txt", *(home / "logs").iterdir(), processes.pid_path("talker", home)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_end_of_a_long_log_is_found(home):
    """`log_tail` returns the last lines of a long log."""
    path = processes.log_path("talker", home)
    path.parent.mkdir()
    path.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert processes.log_tail("talker", home).splitlines()[-1] == "line 99999"
    assert len(processes.log_tail("talker", home).splitlines()) == log.TAIL_LINES
    assert processes.log_tail("never", Path(home)) == ""
