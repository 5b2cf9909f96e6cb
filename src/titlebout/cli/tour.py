"""Define `titlebout demo`: what `make demo` runs."""

import typer

from titlebout.cli.options import AsJson, emit, progress_to_stderr


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(demo)


def demo(as_json: AsJson = False) -> None:
    """Run the whole life of a model on this machine, on real flights.

    Each run starts clean. Servers that run are stopped. An earlier .titlebout/ is moved aside, not
    deleted. The endpoint stays up at the end.
    """
    from titlebout.demo import in_words, run_tour, start_clean, write_report
    from titlebout.spec import find_project

    project, progress = find_project(), progress_to_stderr()
    start_clean(project, progress=progress)
    report = write_report(run_tour(project, progress=progress))
    emit(report, in_words(report), as_json=as_json)
