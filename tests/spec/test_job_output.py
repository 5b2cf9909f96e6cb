"""Test that progress, result and error come back from a pod's log as they were."""

import os
import pickle
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.pod_log import pod_log, tricky_texts

from titlebout.metrics.checked import TooFew
from titlebout.serve.refusals import TooLarge
from titlebout.spec import (
    TOKEN_VARIABLE,
    ClusterAway,
    DataError,
    LogReader,
    OutputWriter,
    TitleboutError,
    new_token,
    report_error,
)
from titlebout.spec.error_json import error_from_json, error_to_json

TOKEN = "5e0c"
PARTS = {"subject": "a", "expected": "b", "found": "c", "next_step": "d"}


class RowError(DataError):
    """Add a field and a constructor to DataError."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row}", expected="a number", found="none", next_step="fill it")
        self.row = row


def read(lines: list[str], *, token: str = TOKEN) -> tuple[LogReader, list[str]]:
    progress: list[str] = []
    reader = LogReader(token, progress.append)
    for line in lines:
        reader.read_line(line)
    return reader, progress


def error_of(kind: type[TitleboutError], parts: dict[str, str]) -> TitleboutError:
    return kind(
        parts["subject"],
        expected=parts["expected"],
        found=parts["found"],
        next_step=parts["next_step"],
    )


@settings(deadline=None)
@given(
    kind=st.sampled_from([TitleboutError, DataError, ClusterAway, TooFew, TooLarge]),
    parts=st.fixed_dictionaries({name: tricky_texts() for name in PARTS}),
    noise=st.lists(tricky_texts(), max_size=3),
    before=st.text(alphabet=" \t\r50%|█", max_size=8),
)
def test_any_error_comes_back_from_a_log_as_itself(kind, parts, noise, before):
    """Read an error with equal class, parts and message, whatever else the log holds."""
    sent = error_of(kind, parts)
    written = "".join(f"{text}\n" for text in noise) + before + pod_log(TOKEN, error=sent)[0] + "\n"
    reader, progress = read(written.encode().decode().split("\n"))
    assert type(reader.error) is kind
    assert (reader.error.parts, str(reader.error)) == (parts, str(sent))
    assert reader.result is None
    lines = [line for text in noise for line in text.split("\n")]
    assert progress == [*lines, *([before] if before.strip() else []), ""]


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.one_of(tricky_texts(), st.integers(), st.none())))
@example({"token": "x", "titlebout": "error"})
def test_any_result_comes_back_from_a_log(result):
    """Read a result whose keys may be the protocol's own."""
    reader, progress = read(pod_log(TOKEN, result=result))
    assert (reader.result, reader.error, progress) == (result, None, [])


@pytest.mark.parametrize(
    "line",
    [
        '{"titlebout": "result", "result": {"digest": "x"}}',
        '{"titlebout": "result", "token": "", "result": {"digest": "x"}}',
        pod_log("another", result={"digest": "x"})[0],
        pod_log("another", error=error_of(DataError, PARTS))[0],
        pod_log("", result={"digest": "x"})[0],
        pod_log(TOKEN, result={"digest": "x"})[0].replace('": "result"', '":"result"'),
        '{"digest": "x"}',
        "titlebout-output",
        "titlebout-result {}",
    ],
)
def test_what_a_teams_code_prints_is_progress(line):
    """Take a line that looks like a result or an error for progress if it lacks the run's token."""
    reader, progress = read([line, *pod_log(TOKEN, result={"ours": 1}), line])
    assert (reader.result, reader.error) == ({"ours": 1}, None)
    assert progress == [line, line]


def test_a_line_that_was_cut_is_progress():
    """Find no result if the writer was killed in the middle of the line."""
    cut = pod_log(TOKEN, result={"rows": 9})[0][:-3]
    reader, progress = read([cut])
    assert (reader.result, progress) == (None, [cut])


def test_words_after_the_result_are_progress():
    """Read a result although another thread prints before the line's end."""
    reader, progress = read([pod_log(TOKEN, result={"rows": 9})[0] + "a late warning"])
    assert (reader.result, progress) == ({"rows": 9}, ["a late warning"])


def test_a_log_is_not_read_without_a_token():
    """Refuse the empty token, which would accept what a process without a token prints."""
    with pytest.raises(ValueError, match="empty"):
        LogReader("", print)


def test_other_code_does_not_see_the_token():
    """Remove the variable, so that neither features.py nor a child process has it."""
    variables = {TOKEN_VARIABLE: new_token(), "HOME": "/root"}
    OutputWriter(variables)
    assert variables == {"HOME": "/root"}


def test_a_stand_in_for_standard_output_does_not_get_the_result(capfd, monkeypatch):
    """Write to the real standard output, even if other code replaced sys.stdout."""
    with open(os.devnull, "w") as stand_in:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stand_in)
        OutputWriter({TOKEN_VARIABLE: TOKEN}).write_result({"rows": 9})
    reader, _ = read(capfd.readouterr().out.split("\n"))
    assert reader.result == {"rows": 9}


def test_a_reported_error_goes_on(capfd, monkeypatch):
    """Raise an error again after it is written. Another family's error is raised only."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with pytest.raises(DataError), report_error():
        raise error_of(DataError, PARTS)
    reader, _ = read(capfd.readouterr().out.split("\n"))
    assert reader.error is not None
    assert reader.error.parts == PARTS
    with pytest.raises(ZeroDivisionError), report_error():
        raise ZeroDivisionError
    assert capfd.readouterr().out == ""


def test_a_field_of_its_own_comes_back_too():
    """Restore every field from JSON and pickle, though the constructor takes other arguments."""
    sent = RowError(7)
    for found in (error_from_json(error_to_json(sent)), pickle.loads(pickle.dumps(sent))):  # noqa: S301
        assert type(found) is RowError
        assert (found.row, found.fields, str(found)) == (7, sent.fields, str(sent))


@pytest.mark.parametrize(
    "unknown",
    [
        "titlebout.not_yet:NewError",
        "titlebout.spec.errors:NewError",
        "titlebout.spec.errors:json.dumps",
        "titlebout.spec.record:Record",
        "os:system",
        "antigravity:Error",
        "a.b:c.<locals>.Error",
        "",
    ],
)
def test_an_unknown_class_comes_back_as_its_nearest_known_base(unknown):
    """Restore the nearest known base of a newer class. Never load a class outside of the family."""
    sent = {**error_to_json(error_of(ClusterAway, PARTS))}
    found = error_from_json({**sent, "kinds": [unknown, *sent["kinds"]]})
    assert (type(found), found.parts) == (ClusterAway, PARTS)
    assert "antigravity" not in sys.modules


def test_a_class_that_the_reader_has_not_loaded_comes_back_as_itself():
    """Load the error's room, as the command line has loaded few rooms when it reads a log."""
    (line,) = pod_log(TOKEN, error=error_of(TooFew, PARTS))
    code = (
        "import sys; from titlebout.spec import LogReader\n"
        "assert 'titlebout.metrics' not in sys.modules\n"
        f"reader = LogReader({TOKEN!r}, print); reader.read_line(sys.argv[1])\n"
        "print(type(reader.error).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, line], capture_output=True, text=True, check=True
    )
    assert done.stdout == "TooFew\n"
