"""Check that what pages, messages and charts name exists: pages, headings, files, commands."""

import re
import shlex
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet
from support.page_blocks import REPOSITORY, blocks_of
from typer.main import get_command

from titlebout import kubectl_plugin
from titlebout.cli import app

PAGES = sorted([REPOSITORY / "README.md", *REPOSITORY.glob("docs/*.md")])
PROSE = [
    *PAGES,
    *(REPOSITORY / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    REPOSITORY / "benchmarks" / "README.md",
]
FOLDERS_WITH_NAMES = (
    "src",
    "helm",
    "k8s",
    "environments",
    "components",
    "bentos",
    "benchmarks",
    "images",
)
TEXT_SUFFIXES = {".py", ".md", ".yaml", ".tpl", ".txt", ".json", ".sample", ".j2"}
NAMED = re.compile(r"\bdocs/([\w-]+\.md)(?:#([\w-]+)|, ([A-Z][\w' ]+))?")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
NAMED_CODE = re.compile(r"\b((?:tests|benchmarks)/[\w/]+\.py)(?:::(test_\w+))?")
NAMED_MODULE = re.compile(r"`((?:\w+/)+\w+\.py)`")
LONGEST_LINE = 100
LONGEST_CELL = 130


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts and the site make them."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def relative_name(page: Path) -> str:
    """Return a page's path in the repository."""
    return str(page.relative_to(REPOSITORY))


def is_lost(page: Path, anchor: str) -> bool:
    """Return whether the page, or its heading, does not exist."""
    return not page.exists() or bool(anchor and anchor not in anchors_of(page))


def names_of(text: str) -> list[tuple[str, str]]:
    """Return each page of docs/ that a text names, with the anchor of the heading, if any."""
    return [
        (page, anchor or heading.strip().lower().replace(" ", "-"))
        for page, anchor, heading in NAMED.findall(text)
    ]


def test_pages_that_messages_and_charts_name_exist():
    """Every page and heading that an error or a chart names exists."""
    files = [
        path
        for folder in FOLDERS_WITH_NAMES
        for path in sorted((REPOSITORY / folder).rglob("*"))
        if path.suffix in TEXT_SUFFIXES
    ]
    wrong = [
        f"{path.relative_to(REPOSITORY)}: docs/{page} {anchor}"
        for path in files
        for page, anchor in names_of(path.read_text(encoding="utf-8"))
        if is_lost(REPOSITORY / "docs" / page, anchor)
    ]
    assert wrong == []
    assert len(files) > 200


@pytest.mark.parametrize("text", ["docs/gone.md", "docs/gate.md, Gone", "docs/gate.md#gone"])
def test_a_page_or_heading_that_is_gone_is_found(text: str):
    """Find a lost name in each form in which a message names one."""
    (page, anchor), *_ = names_of(f"see {text}; then")
    assert is_lost(REPOSITORY / "docs" / page, anchor)


@pytest.mark.parametrize("page", PROSE, ids=relative_name)
def test_links_lead_somewhere(page: Path):
    """Every link leads to a file of the repository, and to its heading where it names one."""
    wrong = [
        f"{target}#{anchor}"
        for target, anchor in LINK.findall(page.read_text())
        if is_lost((page.parent / target).resolve() if target else page, anchor)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PROSE, ids=relative_name)
def test_tests_and_scripts_that_pages_name_exist(page: Path):
    """Every test and benchmark script that a page names exists."""
    wrong = [
        f"{file} {name}"
        for file, name in NAMED_CODE.findall(page.read_text())
        if not (REPOSITORY / file).exists()
        or (name and f"def {name}(" not in (REPOSITORY / file).read_text())
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PROSE, ids=relative_name)
def test_modules_that_pages_name_exist(page: Path):
    """Every Python file that a page names is in the package or in the repository."""
    folders = (REPOSITORY, REPOSITORY / "src" / "titlebout")
    wrong = [
        module
        for module in NAMED_MODULE.findall(page.read_text())
        if not any((folder / module).exists() for folder in folders)
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PROSE, ids=relative_name)
def test_lines_and_cells_are_short(page: Path):
    """Prose has lines of at most 100 columns, and a table has short cells."""
    in_block, wrong = False, []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        in_block ^= line.lstrip().startswith("```")
        if line.startswith("|"):
            wrong += [number for cell in line.split("|") if len(cell.strip()) > LONGEST_CELL]
        elif not in_block and "](" not in line and "<!--" not in line:
            wrong += [number] * (len(line) > LONGEST_LINE)
    assert wrong == []


LINES = [
    pytest.param(line, id=f"{page.stem}: {line[:60]}")
    for page in PAGES
    for block in blocks_of(page.read_text())
    if block.language == "sh"
    for line in re.split(r"\n| && ", block.code.replace("\\\n", " "))
]


def lines_that_begin_with(program: str) -> list[ParameterSet]:
    """Return the commands of a program on all pages, those that need a cluster among them."""
    return [line for line in LINES if str(line.values[0]).startswith(f"{program} ")]


@pytest.mark.parametrize("line", lines_that_begin_with("titlebout"))
def test_commands_have_the_options_that_pages_give_them(line: str):
    """`titlebout` accepts every command and option as the page writes it."""
    _, name, *arguments = shlex.split(line, comments=True)
    command = get_command(app).commands[name]
    while arguments and arguments[0] in getattr(command, "commands", {}):
        command = command.commands[arguments.pop(0)]
    command.make_context(name, arguments)


PLUGIN = [
    line
    for verb in kubectl_plugin.COMMANDS
    for line in lines_that_begin_with(f"kubectl titlebout {verb}")
]


@pytest.mark.parametrize("line", PLUGIN)
def test_the_plugin_takes_what_pages_give_it(line: str, monkeypatch: pytest.MonkeyPatch):
    """`kubectl titlebout` accepts every command and option as the page writes it."""
    monkeypatch.setattr("sys.argv", shlex.split(line, comments=True)[1:])
    assert kubectl_plugin._arguments().namespace


@pytest.mark.parametrize("line", lines_that_begin_with("make"))
def test_the_targets_of_make_exist(line: str):
    """Every target that a page names is in the Makefile."""
    target = shlex.split(line, comments=True)[1]
    makefile = (REPOSITORY / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


ERROR_WORDS = re.findall(
    r"^### `(.+)`$", (REPOSITORY / "docs" / "troubleshooting.md").read_text(), flags=re.MULTILINE
)


@pytest.mark.parametrize("words", ERROR_WORDS)
def test_troubleshooting_has_the_errors_own_words(words: str):
    """Every heading is a message of the source; `…` stands for the part that differs."""
    sources = [*REPOSITORY.glob("src/**/*.py"), *REPOSITORY.glob("helm/**/*.tpl")]
    pattern = ".{1,60}".join(re.escape(part) for part in words.split("…"))
    assert any(re.search(pattern, path.read_text()) for path in sources)
