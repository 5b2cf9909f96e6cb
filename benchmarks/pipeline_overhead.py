"""Measure what the pipeline adds to calling the library.

Five steps that do nothing run under kfp.local, as the launcher runs them. Each real step also
imports what it uses in a process of its own. That is not the pipeline's overhead, and is not
counted here.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path

from kfp import compiler, dsl

from titlebout import launch

RUNS = 5


@dsl.component(base_image="python:3.11-slim", install_kfp_package=False)
def first(note: dsl.Output[dsl.Artifact]):
    """Write an empty file."""
    open(note.path, "w").close()  # noqa: PTH123


@dsl.component(base_image="python:3.11-slim", install_kfp_package=False)
def later(before: dsl.Input[dsl.Artifact], note: dsl.Output[dsl.Artifact]):  # noqa: ARG001  the input only sets the order
    """Write an empty file after another step."""
    open(note.path, "w").close()  # noqa: PTH123


@dsl.pipeline(name="five")
def five() -> dsl.Artifact:
    """Run five empty steps in order."""
    note = first().outputs["note"]
    for _ in range(4):
        note = later(before=note).outputs["note"]
    return note


def main() -> None:
    """Print the median and the worst seconds."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["TITLEBOUT_HOME"] = home
        compiled = Path(home) / "five.yaml"
        compiler.Compiler().compile(five, str(compiled))
        seconds = []
        for _ in range(RUNS + 1):
            began = time.perf_counter()
            launch.run_pipeline(Path(home), compiled, {}, progress=lambda _: None)
            seconds.append(time.perf_counter() - began)
    median, worst = statistics.median(seconds[1:]), max(seconds[1:])
    print(f"five empty steps: median {median:.2f} s, worst {worst:.2f} s of {RUNS} runs")


if __name__ == "__main__":
    main()
