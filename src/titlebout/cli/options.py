"""Define the arguments that several commands share, and print a command's result."""

import getpass
import json
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from titlebout.spec import Record

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="a folder in models/")]
EnvironmentName = Annotated[str, typer.Option("--env", metavar="ENV", help="dev, staging or prod")]
AsJson = Annotated[bool, typer.Option("--json", help="print the result as JSON")]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="NAME",
        help="who does this, for the ledger  [default: $TITLEBOUT_USER or the login name]",
    ),
]


def who(by: str | None) -> str:
    """Return who runs the command: --by, else $TITLEBOUT_USER, else the login name.

    Raise SpecError if the name has no words.
    """
    from titlebout.spec import require_words

    return require_words("--by", by or os.environ.get("TITLEBOUT_USER") or getpass.getuser())


def emit(result: "Record | dict[str, Any] | list[Any]", text: str, *, as_json: bool) -> None:
    """Print a result on standard output: as JSON, or its text. Progress never goes there."""
    from titlebout.spec import printable

    if not as_json:
        typer.echo(printable(text))
        return
    plain = result.model_dump(mode="json") if hasattr(result, "model_dump") else result
    typer.echo(json.dumps(plain, indent=1, default=str))


def progress_to_stderr() -> Callable[[str], None]:
    """Return a progress function that writes each line with the seconds since the command began."""
    from titlebout.spec import printable

    began = time.monotonic()

    def progress(line: str) -> None:
        typer.echo(f"{time.monotonic() - began:6.1f} s  {printable(line)}", err=True)

    return progress
