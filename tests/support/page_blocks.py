"""Read the code blocks of a Markdown page, and run them in a temporary project."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from support.free_ports import first_of_three

REPOSITORY = Path(__file__).parents[2]
LANGUAGES = {"sh", "python", "yaml", "json", "text"}
RUNNABLE = {"sh", "python"}
# One of these right before a block; none of them shows on the page.
# <!-- not run: REASON -->  nobody runs it
# <!-- cluster: NEED -->    tests/cluster may run it, given what it needs
# <!-- file: PATH -->       its content is the file that later blocks of the page use
COMMENT = re.compile(r"<!-- (not run|file|cluster): (.+?) -->")
BESIDE_MODELS = ("bentos", "components", "pipelines", "requirements.lock")
PORT = re.compile(r"(?<=:)55\d\d\b|(?<=127\.0\.0\.1:)5[67]00\b|(?<=port: )5[67]00\b")


@dataclass(frozen=True)
class Block:
    """Describe a fenced code block and the comment before it."""

    line: int
    language: str
    code: str
    comment: str = ""
    value: str = ""

    @property
    def is_run(self) -> bool:
        """Return whether a test runs the block, or writes it to a file that later blocks use."""
        is_code = self.language in RUNNABLE and self.comment not in {"not run", "cluster"}
        return is_code or self.comment == "file"


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page in order."""
    found = []
    tokens = MarkdownIt("commonmark").parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type not in ("fence", "code_block"):
            continue
        comment_match = (
            COMMENT.search(before.content) if before and before.type == "html_block" else None
        )
        comment, value = comment_match.groups() if comment_match else ("", "")
        line = (token.map or [0])[0] + 1
        found.append(Block(line, token.info.strip(), token.content, comment, value))
    return found


class TemporaryProject:
    """Run blocks in a project like a fresh clone, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports: dict[str, str] = {}
        shutil.copytree(REPOSITORY / "environments", folder / "environments")
        for path in folder.glob("environments/*/environment.yaml"):
            path.write_text(self._with_own_ports(path.read_text()))
        (folder / "models").mkdir()
        for name in BESIDE_MODELS:
            (folder / name).symlink_to(REPOSITORY / name)

    def run(self, block: Block) -> None:
        """Run a block as a reader would, or write it to the file that its comment names."""
        code = self._with_own_ports(block.code)
        if block.comment == "file":
            path = self.folder / block.value
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
        elif block.language == "sh":
            self._call("bash", "-euo", "pipefail", "-c", code)
        else:
            self._call(sys.executable, "-c", code)

    def stop(self) -> None:
        """Stop the servers that blocks have started."""
        self._call("titlebout", "down")

    def _call(self, *command: str) -> None:
        clean = {name: value for name, value in os.environ.items() if "TITLEBOUT_" not in name}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=clean | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"

    def _with_own_ports(self, text: str) -> str:
        """Replace the ports of environments/ by free ones, in files and in blocks alike."""
        return PORT.sub(lambda port: self._own_port(port[0]), text)

    def _own_port(self, port: str) -> str:
        return self._ports.setdefault(port, str(first_of_three()))
