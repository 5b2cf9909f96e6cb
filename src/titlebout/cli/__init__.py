"""Provide the command line: parse, call one function, print for a person or as JSON."""

import sys

import typer

from titlebout import __version__
from titlebout.cli import predictions, releases, servers, teams, tour, training
from titlebout.cli.error_output import print_error
from titlebout.logs import configure_command_logs

EXIT_ERROR = 1

app = typer.Typer(
    name="titlebout",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train, gate, release and roll back models with MLflow, BentoML and Kubernetes.",
    epilog=(
        "Every command takes --json. Errors say what was expected, what was found and what to do "
        "next, and exit non-zero."
    ),
)
for module in (servers, training, releases, predictions, teams, tour):
    module.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version: bool = typer.Option(
        False,
        "--version",
        callback=_print_version,
        is_eager=True,
        help="print the version and stop",
    ),
    verbose: bool = typer.Option(
        False, "--verbose", help="show on standard error what titlebout logs"
    ),
) -> None:
    """Train, gate, release and roll back models with MLflow, BentoML and Kubernetes."""
    configure_command_logs(is_verbose=verbose)


def main() -> None:
    """Run the console script.

    An expected error (TitleboutError) is printed without a traceback, and as JSON too with --json.
    The exit code is then 1.
    """
    try:
        app()
    except Exception as error:
        from titlebout.spec import TitleboutError  # here: pydantic would double the time of --help

        if not isinstance(error, TitleboutError):
            raise
        print_error(error, as_json="--json" in sys.argv)
        sys.exit(EXIT_ERROR)
