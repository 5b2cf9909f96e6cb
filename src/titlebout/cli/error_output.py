"""Print an error on the terminal and as JSON: object, expected, found, next step."""

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from titlebout.spec import TitleboutError


def print_error(error: "TitleboutError", *, as_json: bool = False) -> None:
    """Print the error on standard error; with `as_json` also as JSON on standard output."""
    from titlebout.spec import printable

    if as_json:
        typer.echo(json.dumps({"error": error_as_json(error)}))
    typer.echo(printable(f"error: {error.subject}"), err=True)
    for label, text in (
        ("expected", error.expected),
        ("found", error.found),
        ("next", error.next_step),
    ):
        typer.echo(printable(f"  {label + ':':<10}{text}"), err=True)


def error_as_json(error: "TitleboutError") -> dict[str, Any]:
    """Return what `--json` prints of an error; scripts read it."""
    return {"kind": type(error).__name__, **error.parts}
