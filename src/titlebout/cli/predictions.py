"""`titlebout score`, `label`, `monitor`: predictions in batch, what became of them, and whether they still hold."""

from pathlib import Path
from typing import Annotated

import typer

from titlebout.cli.options import AsJson, By, EnvironmentName, ModelName, emit, progress_to_stderr, who

EXIT_DRIFT = 10  # apart from 1, so that a scheduler can tell drift from an error
File = Annotated[Path, typer.Argument(metavar="FILE", help="a CSV or Parquet table")]

Labels = Annotated[Path, typer.Argument(metavar="FILE", help="CSV, Parquet or JSON lines with the columns request_id and label")]


def add_to(app: typer.Typer) -> None:
    app.command()(score)
    app.command()(label)
    app.command()(monitor)


def score(
    model: ModelName,
    file: File,
    environment: EnvironmentName,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="where to write  [default: FILE.predictions.parquet]")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a table with the Champion, as it is served."""
    from titlebout import release as releasing
    from titlebout.spec import find_project

    result = releasing.score(find_project(), model, environment, file=file, out=out or file.with_suffix(".predictions.parquet"))
    emit(result, f"{result['rows']} rows scored by release {result['release'][:12]}: {result['out']}", as_json=as_json)


def label(model: ModelName, file: Labels, environment: EnvironmentName, as_json: AsJson = False) -> None:
    """Add late labels (columns request_id, label)."""
    from titlebout import monitor as monitoring
    from titlebout.spec import find_project

    result = monitoring.label(find_project(), model, environment, file)
    words = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in result.items())
    emit(result, words, as_json=as_json)


def monitor(  # noqa: PLR0917  Typer's options, none of them positional
    model: ModelName,
    environment: EnvironmentName,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="of the window  [default: 30 days before its end]")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="of the window  [default: the newest prediction]")] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="on drift: train again and, if the gate accepts, release")] = False,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="retrain on rows of before this date")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Test the inference table for drift; exits 10 if there is any."""
    from titlebout import monitor as monitoring
    from titlebout.retrain import retrain as train_again
    from titlebout.spec import find_project

    project, say = find_project(), progress_to_stderr()
    report = monitoring.watch(project, model, environment, since=since, until=until)
    emit(report, monitoring.explain(report), as_json=as_json)
    if report.decision == "drift" and retrain:
        train_again(project, model, environment, as_of=as_of, by=who(by), progress=say)
    raise typer.Exit(EXIT_DRIFT if report.decision == "drift" else 0)
