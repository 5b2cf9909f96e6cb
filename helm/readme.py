"""Write the section `## Values` of each chart's README.md, from the comments in its values.yaml.

What is above it is written by people.

python helm/readme.py
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent
HEADING = "## Values\n"
COMMENT = re.compile(r"\s*# (?:-- )?(?P<text>.*)")
KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):")


class Value(NamedTuple):
    """Describe a value that has a comment."""

    path: tuple[str, ...]
    meaning: str


def commented(text: str) -> Iterator[Value]:
    """Yield every key that has a comment directly above it, in the file's order."""
    above: list[str] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        if found := COMMENT.fullmatch(line):
            above.append(found["text"])
        elif found := KEY.match(line):
            indent = len(found["indent"])
            path = [(depth, key) for depth, key in path if depth < indent] + [
                (indent, found["key"])
            ]
            if above:
                yield Value(tuple(key for _, key in path), " ".join(above))
            above = []


def default(values: dict[str, Any], path: tuple[str, ...]) -> str:
    """Return the value's default as JSON."""
    found: Any = values
    for key in path:
        found = found[key]
    return json.dumps(found)


def section(values_file: Path) -> str:
    """Return the section `## Values` for the chart's values.yaml."""
    text = values_file.read_text()
    values = yaml.safe_load(text)
    rows = [
        f"| `{'.'.join(path)}` | `{default(values, path)}` | {meaning} |"
        for path, meaning in commented(text)
    ]
    return "\n".join([HEADING, "| value | default | what it is |", "|---|---|---|", *rows, ""])


def readme(chart: Path) -> str:
    """Return what README.md must be: what people wrote, or else the description, and the values."""
    path = chart / "README.md"
    described = yaml.safe_load((chart / "Chart.yaml").read_text())
    written = (
        path.read_text()
        if path.exists()
        else f"# {described['name']}\n\n{described['description']}\n\n"
    )
    return written.partition(HEADING)[0] + section(chart / "values.yaml")


def charts() -> list[Path]:
    """Return the folders of all charts."""
    return sorted(path.parent for path in HERE.glob("*/Chart.yaml"))


if __name__ == "__main__":
    for chart in charts():
        (chart / "README.md").write_text(readme(chart))
