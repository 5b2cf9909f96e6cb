"""Check names before they become paths, and reasons before they are kept and printed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.release_project import ENVIRONMENT, MODEL

from titlebout.ledger.history import entry_in_words, history
from titlebout.release import release, rollback
from titlebout.spec import (
    LedgerEntry,
    Override,
    SpecError,
    load_environment,
    load_model_spec,
    one_line,
)

BAD_NAMES = [
    "../other",
    "a/b",
    "/etc",
    "..",
    ".",
    "",
    "a b",
    "A",
    "a\n",
    "a\x00b",
    "-a",
    "modèle",
    "模型",
    "a" * 41,
    "tiny-blue",
    "%2e%2e",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_no_model_has_becomes_no_path(release_project, name):
    """Refuse the name, and make no folder for it."""
    before = sorted(path for path in release_project.project.parent.rglob("*"))
    asked = (
        lambda: release(
            release_project.project,
            name,
            ENVIRONMENT,
            by="ann",
            override=None,
            progress=print,
            adapters=release_project.adapters,
        ),
        lambda: rollback(
            release_project.project,
            name,
            ENVIRONMENT,
            by="ann",
            reason="why",
            adapters=release_project.adapters,
        ),
        lambda: history(release_project.project, name, ENVIRONMENT),
        lambda: load_model_spec(release_project.project, name),
    )
    for ask in asked:
        with pytest.raises(SpecError, match="model's name"):
            ask()
    assert sorted(path for path in release_project.project.parent.rglob("*")) == before


@pytest.mark.parametrize("name", [*BAD_NAMES[:13], "../environments/prod"])
def test_a_name_that_no_environment_has_becomes_no_path(release_project, name):
    """Refuse an environment's name in the same way."""
    for ask in (
        lambda: load_environment(release_project.project, name),
        lambda: rollback(
            release_project.project,
            MODEL,
            name,
            by="ann",
            reason="why",
            adapters=release_project.adapters,
        ),
    ):
        with pytest.raises(SpecError, match="environment's name"):
            ask()


@pytest.mark.parametrize("act", ["release", "rollback"])
def test_a_model_that_does_not_exist_leaves_no_folder(release_project, act):
    """Refuse a misspelt name, and make no folder for it."""
    command, more = (
        (release, {"override": None, "progress": print})
        if act == "release"
        else (rollback, {"reason": "why"})
    )
    with pytest.raises(SpecError, match="model nosuch"):
        command(
            release_project.project,
            "nosuch",
            ENVIRONMENT,
            by="ann",
            adapters=release_project.adapters,
            **more,
        )
    assert not (release_project.project / ".titlebout").exists()


def test_what_was_served_can_be_rolled_back_without_its_model_yaml(release_project):
    """Need no file of the data team for a rollback."""
    _, first = release_project.released("a")
    release_project.released("b")
    (release_project.project / "models" / MODEL / "model.yaml").unlink()
    assert release_project.rollback(reason="it is gone").release == first.release


UNPRINTABLE_REASON = "reserves\nempty\r\n   2  2026-01-01T00:00:00Z  forged\x1b[2J\udcff\u2028end"


def test_a_reason_with_new_lines_is_one_line_in_the_ledger_and_in_history(release_project):
    """Keep characters that do not print from the terminal and from the record."""
    release_project.released("a")
    release_project.challenger(name="b", verdict="reject")
    release_project.release(
        override=Override.model_construct(by="ann\nbea", reason=UNPRINTABLE_REASON), by="ann\nbea"
    )
    release_project.rollback(reason=UNPRINTABLE_REASON, by="ann\tbea")
    entries = history(release_project.project, MODEL, ENVIRONMENT)
    line = r"reserves empty 2 2026-01-01T00:00:00Z forged\x1b[2J\udcff end"
    assert [
        (entry.by, entry.reason) for entry in entries if entry.kind in ("overridden", "rolled_back")
    ] == [("ann bea", line)] * 2
    assert all(len(entry_in_words(entry).splitlines()) == 1 for entry in entries)


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 2001])
def test_a_reason_that_says_nothing_or_too_much_is_refused_before_anything_moves(
    release_project, reason
):
    """Refuse the reason, and keep the live release."""
    release_project.released("a")
    _, second = release_project.released("b")
    with pytest.raises(SpecError, match="--reason"):
        release_project.rollback(reason=reason)
    with pytest.raises(SpecError, match="--override"):
        release_project.release(override=Override.model_construct(by="ann", reason=reason))
    assert release_project.answers_with() == second.release


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_one_printable_line(text):
    """Make any text one line, and leave such a line as it is."""
    line = one_line(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    assert one_line(line) == line
    line.encode()


@settings(max_examples=50, deadline=None)
@given(by=st.text(), reason=st.text())
def test_an_entry_from_elsewhere_prints_as_one_line(by, reason):
    """Print what kubectl or another program wrote as one line."""
    entry = LedgerEntry(
        model="m",
        sequence=1,
        key="k",
        time="2026-01-01T00:00:00+00:00",
        kind="switched",
        from_release=None,
        to_release="r" * 64,
        by=by,
        reason=reason,
        evidence={},
        previous_hash="0" * 64,
    )
    assert len(entry_in_words(entry).splitlines()) == 1
