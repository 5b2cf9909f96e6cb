"""Compare the architecture page with the linter's contract and with the tree."""

import ast
import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def layers_of_contract() -> list[set[str]]:
    """Return each layer's rooms, the highest layer first."""
    linter = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(one for one in linter["contracts"] if one["type"] == "layers")["layers"]
    return [
        {room.strip().removeprefix("titlebout.") for room in layer.split("|")} for layer in layers
    ]


def layers_of_page() -> list[set[str]]:
    """Return the rooms of each row of the page's table."""
    rows = re.findall(
        r"^\| [^|]*\| (`[^|]*) \|",
        (REPOSITORY / "docs" / "architecture.md").read_text(),
        flags=re.MULTILINE,
    )
    return [set(re.findall(r"`(\w+)`", row)) for row in rows]


def test_the_page_names_every_room_in_its_layer():
    """Page and contract have the same rows, in the same order."""
    assert layers_of_page() == layers_of_contract()


def test_every_room_is_in_a_layer():
    """A room that no layer names could import anything, so none is left out."""
    folder = REPOSITORY / "src" / "titlebout"
    rooms = {
        path.stem
        for path in [*folder.glob("*.py"), *(file.parent for file in folder.glob("*/__init__.py"))]
    } - {"__init__"}
    assert rooms == set().union(*layers_of_contract())


PUBLIC_MODULES = {
    "titlebout.ledger.database",
    "titlebout.rollout.kubernetes",
    "titlebout.spec.http_route",
    "titlebout.spec.object_names",
    "titlebout.spec.json_schemas",
}


def test_the_page_names_the_public_modules():
    """The page lists exactly the modules that the check below allows."""
    prose = (REPOSITORY / "docs" / "architecture.md").read_text()
    part = prose.partition("Five modules")[2].partition("A package that is served")[0]
    named = set(re.findall(r"`(\w+\.\w+)`", part))
    assert {f"titlebout.{module}" for module in named} == PUBLIC_MODULES


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
    """No room imports what another room's `__init__` does not export."""
    assert imports_past_a_face(REPOSITORY / "src" / "titlebout") == []


def test_an_import_past_a_face_is_found(tmp_path):
    """Find an import that stands inside a function."""
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "run.py").write_text(
        "def f():\n    from titlebout.data.split import split\n"
    )
    assert imports_past_a_face(tmp_path) == ["gate/run.py:2 titlebout.data.split"]
