"""What a process logs, and in which form. Each runs as a process: it is set up once for each."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from titlebout.cli import app
from titlebout.cli.remote import _command
from titlebout.logs import FORMAT_VARIABLE

EACH_LEVEL = """
import logging
log = logging.getLogger("titlebout.release")
log.debug("a detail of %s", "flights")
log.info("a step")
log.warning("two\\nlines")
logging.getLogger("another.library").info("its own detail")
logging.getLogger("another.library").warning("its own warning")
"""
FAULTS = """
import logging, threading, warnings
warnings.warn("it will go")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("titlebout.release").exception("no quotient")
thread = threading.Thread(target=lambda: [][0])
thread.start()
thread.join()
raise ValueError("it ends here")
"""
MAIN = "from titlebout.cli import main; main()"
IN_A_POD = "from titlebout.logs import configure_pod_logs as set_up; set_up()\n"
AS_A_COMMAND = (
    "from titlebout.logs import configure_command_logs as set_up; set_up(is_verbose={})\n"
)


def run(*arguments: str, form: str = "", folder: Path | None = None) -> tuple[str, list[str]]:
    """Run Python with the arguments; return standard output, and the lines of standard error."""
    variables = {**os.environ, FORMAT_VARIABLE: form}
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=variables,
        cwd=folder,
        check=False,
    )
    return done.stdout, done.stderr.splitlines()


def logged(script: str) -> list[dict[str, str]]:
    """Return what the script logs as JSON, one object from each line of standard error."""
    output, lines = run("-c", script, form="json")
    assert output == ""
    return [json.loads(line) for line in lines]


def test_command_shows_warnings_alone():
    """Without --verbose nothing is set up, and Python's own rule holds."""
    _, lines = run("-c", AS_A_COMMAND.format(False) + EACH_LEVEL)
    assert lines == ["two", "lines", "its own warning"]


def test_verbose_command_shows_all_of_titlebout():
    """Each line has time, level and logger; other libraries say no more than before."""
    _, lines = run("-c", AS_A_COMMAND.format(True) + EACH_LEVEL)
    assert [line.partition(",")[2][4:] for line in lines[:2]] == [
        "DEBUG titlebout.release: a detail of flights",
        "INFO titlebout.release: a step",
    ]
    assert lines[-1] == "its own warning"
    assert "its own detail" not in lines


def test_pod_logs_steps_and_no_details():
    """A process that runs for months shows INFO."""
    _, lines = run("-c", IN_A_POD + EACH_LEVEL)
    assert "INFO titlebout.release: a step" in lines[0]
    assert not any("a detail" in line for line in lines)


def test_json_is_one_object_on_each_line():
    """A message of several lines is one record; every library's warnings are there."""
    found = logged(IN_A_POD + EACH_LEVEL)
    assert [(one["level"], one["logger"], one["message"]) for one in found] == [
        ("INFO", "titlebout.release", "a step"),
        ("WARNING", "titlebout.release", "two\nlines"),
        ("WARNING", "another.library", "its own warning"),
    ]
    assert all(one["time"].endswith("+00:00") for one in found)


def test_json_has_tracebacks_warnings_and_uncaught_exceptions():
    """Nothing that Python itself prints breaks the form, in no thread."""
    warned, caught, in_thread, uncaught = logged(IN_A_POD + FAULTS)
    assert "UserWarning: it will go" in warned["message"]
    assert (caught["message"], in_thread["level"]) == ("no quotient", "CRITICAL")
    assert "ZeroDivisionError: division by zero" in caught["exception"]
    assert in_thread["message"] == "IndexError: list index out of range"
    assert uncaught["message"] == "ValueError: it ends here"
    assert uncaught["exception"].startswith("Traceback")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Make a project, and in it a table for `titlebout new`."""
    for folder in ("models", "environments"):
        (tmp_path / folder).mkdir()
    rows = "".join(f"{n},{n % 7},{n % 2}\n" for n in range(60))
    (tmp_path / "table.csv").write_text(f"id,size,label\n{rows}")
    return tmp_path / "table.csv"


def test_standard_output_stays_the_result(table):
    """What a verbose command logs is on standard error alone."""
    new = ("new", "first", "--data", str(table), "--target", "label", "--json")
    output, lines = run("-c", MAIN, "--verbose", *new, folder=table.parent)
    assert json.loads(output)
    assert any("INFO titlebout.scaffold.new_model: write " in line for line in lines)


def test_help_names_the_option():
    """A person finds it."""
    assert "--verbose" in CliRunner().invoke(app, ["--help"]).output


def test_verbose_command_on_a_cluster_keeps_its_name():
    """The Job of a command is named after the command, not after an option before it."""
    assert _command(["--verbose", "train", "flights", "--env", "prod"]) == "train"
