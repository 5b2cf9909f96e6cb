"""Run a compiled KFP pipeline: here, in subprocesses, under `kfp.local`."""

import contextlib
import io
import json
import logging
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

from titlebout.spec import Progress, TitleboutError, errors
from titlebout.storage import make_state_home

log = logging.getLogger(__name__)

TRAINING_PIPELINE = Path("pipelines/training.yaml")
STARTED = re.compile(r"Executing task '?(?:\x1b\[\d+m)*'?([a-z-]+)")
SAID = re.compile(r"^\s*▸ (.*)$")
FAILED = re.compile(rf"^\s*{re.escape(errors.NOTE)}(\{{.*\}})\s*$")


class Run(NamedTuple):
    """Where the records of one pipeline run are, by the pipeline's output names; seconds per step; the whole log."""

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
    """The training pipeline, step by step; raises the error that a step ended with."""
    arguments = {"model": model, "environment": environment, "as_of": as_of or "", "tune": tune}
    return run_pipeline(project, project / TRAINING_PIPELINE, arguments, progress=progress)


def run_pipeline(
    project: Path, compiled: Path, arguments: dict[str, Any], *, progress: Progress
) -> Run:
    """`progress` gets one line as each step starts and whatever a step says with a leading ▸."""
    root = (
        make_state_home(project)
        / "runs"
        / f"{compiled.stem}-{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 1_000_000:06d}"
    )
    root.mkdir(parents=True)
    log.info("run pipeline %s in %s", compiled.stem, root)
    listener = _Listener(root / "log.txt", progress)
    with (
        contextlib.redirect_stdout(listener),
        contextlib.chdir(project),
    ):  # steps find the project from their working folder
        try:
            outputs = _run(compiled, root, arguments)
        except RuntimeError as error:  # what kfp.local raises when a step exits non-zero
            raise listener.step_error() from error
        finally:
            listener.close_log()
    return Run(
        {name: Path(artifact.path) for name, artifact in outputs.items()},
        listener.seconds(),
        listener.log,
    )


def _run(compiled: Path, root: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    import warnings

    from kfp import components, local

    local.init(
        runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=FutureWarning)
        warnings.filterwarnings(
            "ignore", message=".*no effect in the current local runner"
        )  # what a pod's limits are not meant for
        pipeline = components.load_component_from_file(str(compiled))
        outputs: dict[str, Any] = pipeline(**arguments).outputs
    return outputs


class _Listener(io.TextIOBase):
    """What kfp.local and the steps print: kept whole in the log, and its news passed on."""

    def __init__(self, log: Path, progress: Progress) -> None:
        self.log, self._progress = log, progress
        self._file = log.open("w", encoding="utf-8")
        self._rest, self._error, self._step = "", "", "the pipeline"
        self._starts: list[tuple[str, float]] = []

    def write(self, text: str) -> int:
        self._file.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._hear(line)
        return len(text)

    def _hear(self, line: str) -> None:
        if match := STARTED.search(line):
            self._step = match[1]
            self._starts.append((self._step, time.monotonic()))
            self._progress(self._step)
        elif match := SAID.match(line):
            self._progress(f"  {match[1]}")
        elif (
            line.startswith(" ") and line.strip()
        ):  # kfp indents what a step prints; the last line of a traceback is the error
            self._error = line.strip()

    def seconds(self) -> dict[str, float]:
        ends = [start for _, start in self._starts[1:]] + [time.monotonic()]
        return {
            step: round(end - start, 3)
            for (step, start), end in zip(self._starts, ends, strict=True)
        }

    def close_log(self) -> None:
        self._file.close()

    def step_error(self) -> TitleboutError:
        """The step's own error where it was one of ours, else one that names the step and the log."""
        self._file.flush()
        for line in reversed(self.log.read_text(encoding="utf-8").splitlines()):
            if failed := FAILED.match(line):
                parts = json.loads(failed[1])
                return getattr(errors, parts.pop("kind"))(**parts)  # type: ignore[no-any-return]
        return TitleboutError(
            f"step {self._step}",
            expected="it to finish",
            found=f"it ended with an error: {self._error}",
            next_step=f"read {self.log}",
        )
