"""Write and read what a Job or a pipeline step prints: its progress, its result and its error.

A pod has one log. In it, libraries and features.py print what they like.

- Progress is plain text, because people read it with `kubectl logs`. Every line that is neither
  the result nor the error is progress.
- The result and the error are one JSON line each, because a program reads them:
  `{"titlebout": "result", "token": "5e0c…", "result": {…}}`. The line is ASCII. So no text in it
  can end the line, and the encoding of the pod cannot change it.
- The token is made for one run, and the pod gets it in a variable. The writer removes the variable
  before any other code runs. A line without the token is progress, whatever it looks like.
- An error comes back as itself: same class, same fields (`titlebout.spec.error_json`).
- In a pipeline KFP writes into the same log. There a line of progress begins with PROGRESS_MARK.

The token protects against what code prints. It does not protect against code that wants to
deceive, since that code runs in the writer's process.
"""

import json
import os
import secrets
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, NoReturn

from titlebout.spec.error_json import error_from_json, error_to_json
from titlebout.spec.errors import TitleboutError
from titlebout.spec.progress import Progress

TOKEN_VARIABLE = "TITLEBOUT_OUTPUT_TOKEN"  # noqa: S105  the name of a variable
TOKEN_BYTES = 16
RESULT = "result"
ERROR = "error"
PROGRESS_MARK = "▸ "
TAIL_LINES = 12  # of the progress, for an error about a process that ended without a result
EXIT_ERROR = 1


def new_token() -> str:
    """Return a token for one run."""
    return secrets.token_hex(TOKEN_BYTES)


def _line_start(kind: str, token: str) -> str:
    return f'{{"titlebout": "{kind}", "token": "{token}", "{kind}": '


class OutputWriter:
    """Write the result and the error of this process to its standard output.

    It takes the token out of `variables`, so that other code and child processes do not see it.
    Without a token it writes the same lines, which people can read and no program accepts.
    """

    def __init__(self, variables: MutableMapping[str, str] = os.environ) -> None:
        self._token = variables.pop(TOKEN_VARIABLE, "")

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write the result of the process; it must be JSON."""
        self._write(RESULT, result)

    def write_error(self, error: TitleboutError) -> None:
        """Write the error that ends the process."""
        self._write(ERROR, error_to_json(error))

    def _write(self, kind: str, body: Mapping[str, Any]) -> None:
        line = f"{_line_start(kind, self._token)}{json.dumps(body)}}}"
        # sys.stdout may be a stand-in that other code put there
        print(line, file=sys.__stdout__, flush=True)


@contextmanager
def report_error() -> Iterator[None]:
    """Write the error that ends the block, and raise it again.

    The body of a pipeline step runs in this block.
    """
    writer = OutputWriter()
    try:
        yield
    except TitleboutError as error:
        writer.write_error(error)
        raise


def run_in_pod(work: Callable[[], Mapping[str, Any]]) -> NoReturn:
    """Call `work`, write its result or its error, and exit with 0 or EXIT_ERROR."""
    writer = OutputWriter()
    try:
        result = work()
    except TitleboutError as error:
        writer.write_error(error)
        sys.exit(EXIT_ERROR)
    writer.write_result(result)
    sys.exit(0)


def print_step_progress(words: str) -> None:
    """Print a line of progress, which the pipeline's launcher shows to the person who waits."""
    print(f"{PROGRESS_MARK}{words}", file=sys.stderr, flush=True)


class LogReader:
    """Split a log into progress, the result and the error.

    Progress is passed on as it comes. `tail` is its end.
    `result` and `error` are None until their line was read.
    """

    def __init__(self, token: str, progress: Progress) -> None:
        if not token:
            raise ValueError("a log is read with the token of its run; found an empty one")
        self._starts = {kind: _line_start(kind, token) for kind in (RESULT, ERROR)}
        self._progress = progress
        self.result: dict[str, Any] | None = None
        self.error: TitleboutError | None = None
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def read_line(self, line: str) -> None:
        """Take the next line, without its end.

        Other code may have printed on the same line, before ours or after it.
        """
        for kind, start in self._starts.items():
            before, mark, rest = line.partition(start)
            if not mark:
                continue
            try:
                body, end = json.JSONDecoder().raw_decode(rest)
            except ValueError:  # the writer was killed in the middle of the line
                break
            self._keep(kind, body)
            for other in (before, rest[end:].removeprefix("}")):
                if other.strip():
                    self._pass_on(other)
            return
        self._pass_on(line)

    def _keep(self, kind: str, body: dict[str, Any]) -> None:
        if kind == RESULT:
            self.result = body
        else:
            self.error = error_from_json(body)

    def _pass_on(self, line: str) -> None:
        self.tail.append(line)
        self._progress(line)
