"""The architecture page and the linter's contract say the same."""

import ast
import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def contract() -> list[set[str]]:
    """Each layer's rooms, from above."""
    linter = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(one for one in linter["contracts"] if one["type"] == "layers")["layers"]
    return [
        {room.strip().removeprefix("titlebout.") for room in layer.split("|")} for layer in layers
    ]


def page() -> list[set[str]]:
    """The rooms of each row of the page's table."""
    rows = re.findall(
        r"^\| [^|]*\| (`[^|]*) \|",
        (REPOSITORY / "docs" / "architecture.md").read_text(),
        flags=re.MULTILINE,
    )
    return [set(re.findall(r"`(\w+)`", row)) for row in rows]


def test_the_page_names_every_room_in_its_layer():
    """Row by row."""
    assert page() == contract()


def test_every_room_is_in_a_layer():
    """A room that no layer names could import anything."""
    folder = REPOSITORY / "src" / "titlebout"
    rooms = {
        path.stem
        for path in [*folder.glob("*.py"), *(file.parent for file in folder.glob("*/__init__.py"))]
    } - {"__init__"}
    assert rooms == set().union(*contract())


PUBLIC_MODULES = {
    "titlebout.ledger.database",
    "titlebout.rollout.kubernetes",
    "titlebout.spec.http_route",
    "titlebout.spec.object_names",
    "titlebout.spec.json_schemas",
}


def imports_past_a_face(source: Path) -> list[str]:
    """Return what each file of `source` imports from a private module of another room."""
    found = []
    for file in sorted(source.rglob("*.py")):
        room = file.relative_to(source).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            path = node.module.split(".")
            is_private = (
                path[0] == "titlebout" and len(path) > 2 and node.module not in PUBLIC_MODULES
            )
            if is_private and path[1] != room:
                found.append(f"{file.relative_to(source)}:{node.lineno} {node.module}")
    return found


def test_rooms_import_each_other_through_their_faces():
    """What a room's `__init__` does not export is private to the room."""
    assert imports_past_a_face(REPOSITORY / "src" / "titlebout") == []


def test_an_import_past_a_face_is_found(tmp_path):
    """The check sees imports inside functions, too."""
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "run.py").write_text(
        "def f():\n    from titlebout.data.split import split\n"
    )
    assert imports_past_a_face(tmp_path) == ["gate/run.py:2 titlebout.data.split"]
