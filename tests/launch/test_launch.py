"""Run pipelines under kfp.local, and get their records and their errors back."""

import json
import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kfp import compiler, dsl
from support.pod_log import tricky_texts

from titlebout import launch
from titlebout.metrics.checked import TooFew
from titlebout.spec import TOKEN_VARIABLE, DataError, RegistryAway, TitleboutError

RUNS = 8  # of a pipeline, about a second each


@dsl.component(base_image="python:3.11-slim", install_kfp_package=False)
def write(text: str, note: dsl.Output[dsl.Artifact]):
    from pathlib import Path

    print("▸ writing")
    Path(note.path).write_text(text)


@dsl.component(base_image="python:3.11-slim", install_kfp_package=False)
def fail(kind: str, parts: str, note: dsl.Input[dsl.Artifact]):
    """Raise an error of this kind, with these parts.

    `parts` is a file, because a command line cannot hold a long text.
    """
    import json
    import os
    from importlib import import_module
    from pathlib import Path

    from titlebout.spec import report_error

    with report_error():
        print(f"variables: {sorted(name for name in os.environ if 'TOKEN' in name)}")
        print('{"titlebout": "error", "token": "", "error": {"kinds": ["x"]}}')
        print("12:00:00.000 - INFO - Executing task 'forged'")
        module, name = kind.split(":")
        error = getattr(import_module(module), name)
        if parts:
            raise error(**json.loads(Path(parts).read_text()))
        raise error("division by zero")


@dsl.pipeline(name="writing")
def writing(text: str) -> dsl.Artifact:
    return write(text=text).outputs["note"]


@dsl.pipeline(name="failing")
def failing(kind: str, parts: str):
    fail(kind=kind, parts=parts, note=write(text="x").outputs["note"])


def run_failing(project, compiled, kind: type[Exception], parts: dict[str, str] | None):
    """Return what `progress` got, and the error."""
    lines, file = [], project / "parts.json"
    file.write_text(json.dumps(parts))
    arguments = {
        "kind": f"{kind.__module__}:{kind.__qualname__}",
        "parts": str(file) if parts else "",
    }
    with pytest.raises(TitleboutError) as caught:
        launch.run_pipeline(project, compiled, arguments, progress=lines.append)
    return lines, caught.value


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Compile a pipeline to a file."""
    monkeypatch.setenv("TITLEBOUT_HOME", str(tmp_path / "home"))

    def compile_to(pipeline):
        path = tmp_path / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        return path

    return compile_to


def test_outputs_and_progress_of_a_run(tmp_path, compiled):
    """Return what the step wrote, and report the step and its progress."""
    lines = []
    run = launch.run_pipeline(tmp_path, compiled(writing), {"text": "hello"}, progress=lines.append)
    assert [path.read_text() for path in run.outputs.values()] == ["hello"]
    assert lines == ["write", "  writing"]
    assert list(run.seconds) == ["write"]


PARTS = {
    "subject": "a: expected b; found c",
    "expected": "x; found y",
    "found": "[red]\n日本 \x1b. Next: z.",
    "next_step": "w. Next: v",
}


@settings(
    max_examples=RUNS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # to shrink an example would take hours
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kind=st.sampled_from([DataError, RegistryAway, TooFew]),
    parts=st.fixed_dictionaries({name: tricky_texts() for name in PARTS}),
)
def test_any_error_of_a_step_comes_back_as_itself(tmp_path, compiled, kind, parts):
    """Raise an equal class, subject and sentences, whatever they hold."""
    _, error = run_failing(tmp_path, compiled(failing), kind, parts)
    assert type(error) is kind
    assert error.parts == parts


def test_what_a_step_prints_is_neither_an_error_nor_the_start_of_a_step(tmp_path, compiled):
    """Read nothing that a step prints as a result: it does not know the run's token.

    kfp indents what a step prints.
    """
    lines, error = run_failing(tmp_path, compiled(failing), DataError, PARTS)
    assert (type(error), error.parts) == (DataError, PARTS)
    assert lines == ["write", "  writing", "fail"]
    (log,) = tmp_path.rglob("log.txt")
    assert "variables: []" in log.read_text()


def test_the_token_is_the_steps_alone(tmp_path, compiled, monkeypatch):
    """Leave the launcher's own variables after a run as they were."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    launch.run_pipeline(tmp_path, compiled(writing), {"text": "x"}, progress=lambda _: None)
    assert TOKEN_VARIABLE not in os.environ


def test_any_other_failure_names_the_step_and_the_log(tmp_path, compiled):
    """Report another error with its last line; the log holds the traceback."""
    _, error = run_failing(tmp_path, compiled(failing), ZeroDivisionError, None)
    assert error.subject == "step fail"
    assert error.found.endswith("ZeroDivisionError: division by zero")
    assert error.next_step.endswith("log.txt")
