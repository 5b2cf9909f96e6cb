"""What a killed writer leaves half written is never read, and is deleted the next time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from titlebout.storage import PARTIAL, Storage, partial_of, sweep_partials
from titlebout.storage.store import LEFT_SECONDS

WRITER = """
import os, signal, sys
from pathlib import Path
from titlebout.storage import Storage
Path.replace = lambda path, target: os.kill(os.getpid(), signal.SIGKILL)
Storage(sys.argv[1]).write(b"half", "ledger", "tiny.json")
"""


@pytest.fixture
def left(tmp_path):
    """A store in which a writer was killed right before its file would have appeared."""
    done = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    (path,) = (tmp_path / "ledger").iterdir()
    return path


def test_what_a_killed_writer_left_is_no_name_in_the_store(left, tmp_path):
    """Otherwise `verify` would take it for a model's ledger."""
    assert Storage(str(tmp_path)).names("ledger") == []


def test_what_a_killed_writer_left_is_deleted_at_once(left, tmp_path):
    """Its process is known to be dead."""
    assert sweep_partials(tmp_path) == [left]
    assert not left.exists()


def test_what_is_being_written_is_left_alone(tmp_path):
    """The writer lives: this process."""
    mine = partial_of(tmp_path / "mine.json")
    mine.touch()
    os.utime(mine, (0, 0))
    assert sweep_partials(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["report.json.partial", ".current.partial", f".x.json.0a1b2c3d.{'f' * 8}-7{PARTIAL}"]
)
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_another_writers_is_deleted_when_it_is_old(tmp_path, name, kind):
    """One of another machine, or one that says nothing of its writer: an hour without a write, and not before."""
    path = tmp_path / "deep" / name
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
        (path / "content").touch()
    elif kind == "link":
        path.symlink_to("nowhere")
    else:
        path.touch()
    assert sweep_partials(tmp_path) == []
    old = time.time() - 2 * LEFT_SECONDS
    os.utime(path, (old, old), follow_symlinks=False)
    assert sweep_partials(tmp_path) == [path]
    assert list(path.parent.iterdir()) == []


def test_what_is_whole_is_never_deleted(tmp_path):
    """However old it is, and whatever its name holds."""
    names = ["a.json", "partial", "x.partial.json", ".hidden"]
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    assert sweep_partials(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_folder_that_is_not_there_has_nothing_left():
    """Before the first release there is none."""
    assert sweep_partials(Path("/nonexistent/titlebout")) == []
