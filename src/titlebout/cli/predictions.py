"""Define `titlebout score`, `label`, `monitor`, `compare`: predictions and what became of them."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from titlebout.cli.options import (
    AsJson,
    By,
    EnvironmentName,
    ModelName,
    emit,
    progress_to_stderr,
    who,
)
from titlebout.cli.remote import connected, remote_cluster, run_in_namespace, run_remotely
from titlebout.cli.training import verdict_of_training

# Neither is 1, so that a scheduler can tell drift and "cannot tell" from an error.
EXIT_DRIFT = 10
EXIT_CANNOT_TELL = 11
EXIT_CODES = {"none": 0, "drift": EXIT_DRIFT, "cannot tell": EXIT_CANNOT_TELL}
OBJECT_PREFIX = "s3://"

Labels = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="CSV, JSON lines or Parquet with the columns request_id and label"
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(score)
    app.command()(label)
    app.command()(monitor)
    app.command()(compare)


def score(
    model: ModelName,
    table: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV, JSON lines, Parquet or a folder of Parquet; s3://…: a Job scores it",
        ),
    ],
    environment: EnvironmentName,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help=".csv or .parquet  [default: beside FILE, ending .predictions.parquet]",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a table with the Champion, as it is served."""
    from titlebout.batch import default_output, score_file, submit_scoring
    from titlebout.spec import find_project, load_environment

    output = out or default_output(table)
    if table.startswith(OBJECT_PREFIX):
        project = find_project()
        job = submit_scoring(
            project, model, load_environment(project, environment), source=table, output=output
        )
        emit(
            job, f"job {job['job']} in {job['namespace']}: {_scored_in_words(job)}", as_json=as_json
        )
        return
    result = score_file(find_project(), model, environment, file=Path(table), out=Path(output))
    emit(result, _scored_in_words(result), as_json=as_json)


def _scored_in_words(result: dict[str, Any]) -> str:
    """Say what was scored and what was not.

    That covers refused rows, an empty table, and an output that a Job found already there.
    """
    if "rows" not in result:
        return f"{result['out']} is {result.get('found', 'written')}"
    if not result["rows"]:
        return f"0 rows to score: {result['out']} has the columns and no row"
    scored, columns = result["rows"] - result["refused"], result["columns"]
    text = f"{scored} rows scored by release {result['release'][:12]}: {result['out']}"
    if result["refused"]:
        text += f"\n{result['refused']} rows refused: column `{columns['refused']}` says why"
    if renamed := [f"`{name}` is `{new}`" for name, new in columns.items() if name != new]:
        text += f"\nthe table already has these names, so in the result {', '.join(renamed)}"
    return text


def label(  # noqa: PLR0917  Typer's options, none of them positional
    model: ModelName,
    file: Labels,
    environment: EnvironmentName,
    by: By = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="why labels are corrected; stored with them"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add late labels (columns request_id, label).

    A label that differs from an earlier one of the same request replaces it.
    """
    from titlebout import monitor as monitoring
    from titlebout.spec import find_project

    project = find_project()
    with connected(project, model, environment):
        result = monitoring.label(project, model, environment, file, by=who(by), reason=reason)
    text = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in result.items())
    emit(result, text, as_json=as_json)


def compare(  # noqa: PLR0917  Typer's options, none of them positional
    model: ModelName,
    incumbent: Annotated[
        str, typer.Argument(metavar="RELEASE", help="a release id, or the beginning of one")
    ],
    candidate: Annotated[str, typer.Argument(metavar="RELEASE")],
    environment: EnvironmentName,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="start of the window, with --until  [default: all]"
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="end of the window, with --since  [default: all]"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two releases that answered at the same time, in an A/B test or as a shadow."""
    from titlebout import monitor as monitoring
    from titlebout.monitor import Span
    from titlebout.spec import SpecError, find_project

    if (since is None) != (until is None):
        raise SpecError(
            "the window to compare in",
            expected="--since and --until, or neither",
            found=f"{'--since' if since else '--until'} alone",
            next_step="give the other one, too",
        )
    project = find_project()
    span = Span(since=since, until=until) if since and until else None
    run_remotely(project, model, environment)
    comparison = monitoring.compare(
        project, model, environment, releases=(incumbent, candidate), span=span
    )
    emit(comparison, monitoring.in_words(comparison), as_json=as_json)


def monitor(  # noqa: PLR0917  Typer's options, none of them positional
    model: ModelName,
    environment: EnvironmentName,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="start of the window  [default: 30 days before its end]"
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="TIME", help="end of the window  [default: the newest prediction]"
        ),
    ] = None,
    retrain: Annotated[
        bool,
        typer.Option("--retrain", help="on drift: train again and, if the gate accepts, release"),
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="retrain on rows from before this date"),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Test the inference table for drift; exits 10 if there is any, 11 if that cannot be told."""
    from titlebout import monitor as monitoring
    from titlebout.retrain import retrain as train_again
    from titlebout.spec import find_project

    project, progress = find_project(), progress_to_stderr()
    if (cluster := remote_cluster(project, environment)) is not None:
        code, output = run_in_namespace(
            cluster,
            project,
            model,
            environment,
            [argument for argument in sys.argv[1:] if argument != "--retrain"],
        )
        typer.echo(output, nl=False)
    else:
        report = monitoring.watch(project, model, environment, since=since, until=until)
        page = monitoring.report_address(project, environment, report)
        emit(report, f"{monitoring.explain(report)}\n  page   {page}", as_json=as_json)
        if as_json:
            progress(f"page: {page}")
        code = EXIT_CODES[report.decision]
    if code == EXIT_DRIFT and retrain:
        train = partial(
            verdict_of_training, project, model, environment, as_of=as_of, progress=progress
        )
        train_again(project, model, environment, train=train, by=who(by), progress=progress)
    raise typer.Exit(code)
