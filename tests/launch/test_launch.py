"""Pipelines under kfp.local: records come back, a step's own error comes back as itself."""

import pytest
from kfp import compiler, dsl

from titlebout import launch
from titlebout.spec import DataError, TitleboutError


@dsl.component(base_image="python:3.11-slim", install_kfp_package=False)
def write(word: str, note: dsl.Output[dsl.Artifact]):
    from pathlib import Path

    print("▸ writing")
    Path(note.path).write_text(word)


@dsl.component(base_image="python:3.11-slim", install_kfp_package=False)
def fail(kind: str, note: dsl.Input[dsl.Artifact]):
    from titlebout.spec import DataError

    if kind == "ours":
        raise DataError(
            "wages.csv", expected="a column wage", found="none", next_step="check the header: a, b"
        )
    if kind == "odd":
        raise DataError(
            "a: expected b; found c",
            expected="x; found y",
            found="[red]\n日本 \x1b. Next: z.",
            next_step="w. Next: v",
        )
    raise ZeroDivisionError("division by zero")


@dsl.pipeline(name="writing")
def writing(word: str) -> dsl.Artifact:
    return write(word=word).outputs["note"]


@dsl.pipeline(name="failing")
def failing(kind: str):
    fail(kind=kind, note=write(word="x").outputs["note"])


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    monkeypatch.setenv("TITLEBOUT_HOME", str(tmp_path / "home"))

    def compile_to(pipeline):
        path = tmp_path / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        return path

    return compile_to


def test_outputs_and_news_of_a_run(tmp_path, compiled):
    """The output artifact is a file with what the step wrote; progress names the step and what it said."""
    heard = []
    run = launch.run_pipeline(tmp_path, compiled(writing), {"word": "hello"}, progress=heard.append)
    assert [path.read_text() for path in run.outputs.values()] == ["hello"]
    assert heard == ["write", "  writing"]
    assert list(run.seconds) == ["write"]


def test_a_steps_own_error_comes_back_as_itself(tmp_path, compiled):
    """Kind, subject and all three sentences survive the process border."""
    with pytest.raises(DataError) as caught:
        launch.run_pipeline(tmp_path, compiled(failing), {"kind": "ours"}, progress=lambda _: None)
    error = caught.value
    assert (error.subject, error.expected, error.found, error.next_step) == (
        "wages.csv",
        "a column wage",
        "none",
        "check the header: a, b",
    )


def test_an_error_whose_words_look_like_an_errors_grammar_comes_back_too(tmp_path, compiled):
    """It crosses as JSON: nothing is parsed from its sentences, which hold users' names."""
    with pytest.raises(DataError) as caught:
        launch.run_pipeline(tmp_path, compiled(failing), {"kind": "odd"}, progress=lambda _: None)
    error = caught.value
    assert (error.subject, error.expected) == ("a: expected b; found c", "x; found y")
    assert (error.found, error.next_step) == ("[red]\n日本 \x1b. Next: z.", "w. Next: v")


def test_any_other_failure_names_the_step_and_the_log(tmp_path, compiled):
    """A fault that is not ours is told with its last line, and the log holds the traceback."""
    with pytest.raises(
        TitleboutError, match=r"step fail: .*ZeroDivisionError: division by zero.*log\.txt"
    ):
        launch.run_pipeline(
            tmp_path, compiled(failing), {"kind": "theirs"}, progress=lambda _: None
        )
