"""Run every shell and Python block of the documentation that does not say why it cannot run."""

import json
from pathlib import Path

import pytest
import yaml
from support.page_blocks import LANGUAGES, REPOSITORY, RUNNABLE, TemporaryProject, blocks_of

PAGES = sorted([REPOSITORY / "README.md", *REPOSITORY.glob("docs/*.md")])
# A tutorial starts real servers, trains and releases: one or two minutes of CPU each, so
# `make test-docs` runs them and `make test` does not.
TUTORIALS = {page for page in PAGES if page.name.startswith("tutorial-")}


def faults_of(text: str) -> list[str]:
    """Return what is wrong with a page's blocks, by line."""
    found = []
    for block in blocks_of(text):
        if block.language not in LANGUAGES:
            found.append(f"line {block.line}: language {block.language!r}, not one of {LANGUAGES}")
        if block.comment in {"not run", "cluster"} and block.language not in RUNNABLE:
            found.append(f"line {block.line}: only shell and Python are ever run")
        if block.language == "yaml":
            yaml.safe_load(block.code)
        if block.language == "json":
            json.loads(block.code)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_names_its_language(page: Path):
    """Every block names a known language, and YAML and JSON can be parsed."""
    assert faults_of(page.read_text()) == []


RUN = [
    pytest.param(page, id=page.name, marks=[pytest.mark.tutorial] if page in TUTORIALS else [])
    for page in PAGES
    if any(block.is_run for block in blocks_of(page.read_text()))
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", RUN)
def test_blocks_run(page: Path, tmp_path: Path):
    """The page's blocks run in their order, in a project of their own."""
    project = TemporaryProject(tmp_path)
    try:
        for block in blocks_of(page.read_text()):
            if block.is_run:
                project.run(block)
    finally:
        project.stop()


def test_a_block_without_a_mark_is_run(tmp_path: Path):
    """A command that fails makes the test fail; a block with a reason is left out."""
    wrong, marked = blocks_of(
        "```sh\nexit 3\n```\n\n<!-- not run: a reason -->\n```sh\nexit 3\n```\n"
    )
    assert (wrong.is_run, marked.is_run) == (True, False)
    with pytest.raises(AssertionError):
        TemporaryProject(tmp_path).run(wrong)


@pytest.mark.parametrize("text", ["```\nls\n```\n", "```bash\nls\n```\n", "    ls\n"])
def test_a_block_in_another_form_is_found(text: str):
    """Refuse a block without a language, with another name of the shell, or indented."""
    assert len(faults_of(text)) == 1
