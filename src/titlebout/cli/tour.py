"""`titlebout demo`: what `make demo` runs."""

import typer

from titlebout.cli.options import AsJson, emit, progress_to_stderr


def add_to(app: typer.Typer) -> None:
    app.command()(demo)


def demo(as_json: AsJson = False) -> None:
    """The whole loop on this machine, on real flights.

    Starts clean each time: servers that run are stopped, and an earlier .titlebout/ is moved aside, not deleted. Leaves the endpoint up.
    """
    from titlebout.demo import in_words, run_tour, start_clean, write_report
    from titlebout.spec import find_project

    project, say = find_project(), progress_to_stderr()
    start_clean(project, progress=say)
    found = write_report(run_tour(project, progress=say))
    emit(found, in_words(found), as_json=as_json)
