"""Compare the command line's page with the program's help: both name the same commands."""

import re
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from titlebout.cli import app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_every_command_is_documented_and_none_is_invented():
    """Name each command of the program in docs/cli.md, and no other."""
    documented = set(re.findall(r"^\| `titlebout (\w+)", PAGE.read_text(), flags=re.MULTILINE))
    assert documented == set(get_command(app).commands)


def test_every_command_takes_json_and_explains_itself():
    """Print what each command does and the option --json on --help."""
    for name in get_command(app).commands:
        shown = CliRunner().invoke(app, [name, "--help"])
        assert shown.exit_code == 0
        assert "--json" in shown.output, name
