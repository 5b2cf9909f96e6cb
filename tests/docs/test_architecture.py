"""The architecture page and the linter's contract say the same."""

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def contract() -> list[set[str]]:
    """Each layer's rooms, from above."""
    linter = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(one for one in linter["contracts"] if one["type"] == "layers")["layers"]
    return [{room.strip().removeprefix("titlebout.") for room in layer.split("|")} for layer in layers]


def page() -> list[set[str]]:
    """The rooms of each row of the page's table."""
    rows = re.findall(r"^\| [^|]*\| (`[^|]*) \|", (REPOSITORY / "docs" / "architecture.md").read_text(), flags=re.MULTILINE)
    return [set(re.findall(r"`(\w+)`", row)) for row in rows]


def test_the_page_names_every_room_in_its_layer():
    """Row by row."""
    assert page() == contract()


def test_every_room_is_in_a_layer():
    """A room that no layer names could import anything."""
    folder = REPOSITORY / "src" / "titlebout"
    rooms = {path.stem for path in [*folder.glob("*.py"), *(file.parent for file in folder.glob("*/__init__.py"))]} - {"__init__"}
    assert rooms == set().union(*contract())
