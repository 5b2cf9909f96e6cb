"""Run a compiled KFP pipeline on this machine, in subprocesses, under `kfp.local`."""

import contextlib
import io
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from titlebout.spec import (
    PROGRESS_MARK,
    TOKEN_VARIABLE,
    LogReader,
    Progress,
    TitleboutError,
    new_token,
)
from titlebout.storage import make_state_home

log = logging.getLogger(__name__)

TRAINING_PIPELINE = Path("pipelines/training.yaml")
# kfp's own line. It indents what steps print, so no step can write one.
STARTED = re.compile(r"^\d[\d:.]* - INFO - Executing task '?(?:\x1b\[\d+m)*'?([a-z0-9-]+)")


class Run(NamedTuple):
    """Hold a run's records by output name, how long each step took, and its log."""

    outputs: dict[str, Path]
    seconds: dict[str, float]
    log: Path


def run_training(
    project: Path,
    *,
    model: str,
    environment: str,
    as_of: str | None = None,
    tune: bool = True,
    progress: Progress,
) -> Run:
    """Run the training pipeline step by step. Raise the error that a step ended with."""
    arguments = {"model": model, "environment": environment, "as_of": as_of or "", "tune": tune}
    return run_pipeline(project, project / TRAINING_PIPELINE, arguments, progress=progress)


def run_pipeline(
    project: Path, compiled: Path, arguments: dict[str, Any], *, progress: Progress
) -> Run:
    """Run a compiled pipeline. Raise the error that a step ended with.

    `progress` gets a line as each step starts, and the lines that a step marks with PROGRESS_MARK.
    """
    root = (
        make_state_home(project)
        / "runs"
        / f"{compiled.stem}-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 1_000_000:06d}"
    )
    root.mkdir(parents=True)
    token = new_token()
    listener = _Listener(root / "log.txt", token, progress)
    log.info("run pipeline %s in %s", compiled.stem, root)
    with (
        contextlib.redirect_stdout(listener),
        contextlib.chdir(project),  # steps find the project from their working folder
        _set_variable(TOKEN_VARIABLE, token),
    ):
        try:
            outputs = _run_compiled(compiled, root, arguments)
        except RuntimeError as error:  # what kfp.local raises when a step exits non-zero
            raise listener.step_error() from error
        finally:
            listener.close_log()
    return Run(
        {name: Path(artifact.path) for name, artifact in outputs.items()},
        listener.seconds(),
        listener.log,
    )


@contextlib.contextmanager
def _set_variable(name: str, value: str) -> Iterator[None]:
    """Set the variable for the steps, which inherit this process's variables."""
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _run_compiled(compiled: Path, root: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    import warnings

    from kfp import components, local

    local.init(
        runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=FutureWarning)
        # a pod's limits do not apply to a process on this machine
        warnings.filterwarnings("ignore", message=".*no effect in the current local runner")
        pipeline = components.load_component_from_file(str(compiled))
        outputs: dict[str, Any] = pipeline(**arguments).outputs
    return outputs


class _Listener(io.TextIOBase):
    """Keep what kfp.local and the steps print in the log, and pass their progress on."""

    def __init__(self, log: Path, token: str, progress: Progress) -> None:
        self.log, self._progress = log, progress
        self._file = log.open("w", encoding="utf-8")
        self._reader = LogReader(token, self._on_progress)
        self._rest, self._last_line, self._step = "", "", "the pipeline"
        self._starts: list[tuple[str, float]] = []

    def write(self, text: str) -> int:
        """Take what was printed, in pieces that need not end with a line."""
        self._file.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._reader.read_line(line)
        return len(text)

    def _on_progress(self, line: str) -> None:
        text = line.strip()
        if match := STARTED.search(line):
            self._step = match[1]
            self._starts.append((self._step, time.monotonic()))
            self._progress(self._step)
        elif text.startswith(PROGRESS_MARK):
            self._progress(f"  {text.removeprefix(PROGRESS_MARK)}")
        elif line.startswith(" ") and text:  # of a step; a traceback ends with the error
            self._last_line = text

    def seconds(self) -> dict[str, float]:
        """Return how long each step took."""
        ends = [start for _, start in self._starts[1:]] + [time.monotonic()]
        return {
            step: round(end - start, 3)
            for (step, start), end in zip(self._starts, ends, strict=True)
        }

    def close_log(self) -> None:
        """Close the file of the log."""
        self._file.close()

    def step_error(self) -> TitleboutError:
        """Return the error that the step reported, else one that names the step and the log."""
        return self._reader.error or TitleboutError(
            f"step {self._step}",
            expected="it to finish",
            found=f"it ended with an error: {self._last_line}",
            next_step=f"read {self.log}",
        )
