"""Never read what a killed writer left half written, and delete it the next time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from titlebout import atomic_files
from titlebout.atomic_files import PARTIAL, partial_of, sweep_partials
from titlebout.storage import Storage

WRITER = """
import os, signal, sys
from pathlib import Path
from titlebout.storage import Storage
Path.replace = lambda path, target: os.kill(os.getpid(), signal.SIGKILL)
Storage(sys.argv[1]).write(b"half", "ledger", "tiny.json")
"""


@pytest.fixture
def partial_file(tmp_path):
    """Return the file that a writer left, killed right before the file would have appeared."""
    done = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    (path,) = (tmp_path / "ledger").iterdir()
    return path


@pytest.mark.usefixtures("partial_file")
def test_what_a_killed_writer_left_is_no_name_in_the_store(tmp_path):
    """Leave the file out of the names: `verify` would take it for a model's ledger."""
    assert Storage(str(tmp_path)).names("ledger") == []


def test_what_a_killed_writer_left_is_deleted_at_once(partial_file, tmp_path):
    """Delete the file at once, as its process is known to have ended."""
    assert sweep_partials(tmp_path) == [partial_file]
    assert not partial_file.exists()


def test_what_is_being_written_is_left_alone(tmp_path):
    """Keep the file of a writer that runs: this process."""
    own_file = partial_of(tmp_path / "mine.json")
    own_file.touch()
    os.utime(own_file, (0, 0))
    assert sweep_partials(tmp_path) == []
    assert own_file.exists()


@pytest.mark.parametrize(
    "name", ["report.json.partial", ".current.partial", f".x.json.0a1b2c3d.{'f' * 8}-7{PARTIAL}"]
)
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_another_writers_is_deleted_when_it_is_old(tmp_path, name, kind):
    """Delete a file of another machine or of an unknown writer after an hour without a write."""
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
    old = time.time() - 2 * atomic_files.LEFT_SECONDS
    os.utime(path, (old, old), follow_symlinks=False)
    assert sweep_partials(tmp_path) == [path]
    assert list(path.parent.iterdir()) == []


def test_what_is_whole_is_never_deleted(tmp_path):
    """Keep a whole file, however old it is and whatever its name holds."""
    names = ["a.json", "partial", "x.partial.json", ".hidden"]
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    assert sweep_partials(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_folder_that_is_not_there_has_nothing_left():
    """Find nothing in a folder that does not exist, as before the first release."""
    assert sweep_partials(Path("/nonexistent/titlebout")) == []
