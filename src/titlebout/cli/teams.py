"""`titlebout team apply|plan|status|remove` and `titlebout doctor`: a team's namespaces on the clusters."""

from typing import TYPE_CHECKING, Annotated

import typer

from titlebout.cli.options import AsJson, EnvironmentName, emit, progress_to_stderr, who

if TYPE_CHECKING:
    from titlebout.team import Namespace

TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="a file in environments/teams/")]
DeleteData = Annotated[
    str | None,
    typer.Option(
        "--delete-data", metavar="TEAM", help="the name once more: volumes and namespaces go, too"
    ),
]
EXIT_DIFFERS = 10
SHOWN = ("requests.cpu", "limits.memory", "pods")

team = typer.Typer(
    no_args_is_help=True,
    help="A team's namespaces, one per environment: apply, plan, status, remove; each takes --json.",
)


def add_to(app: typer.Typer) -> None:
    for command in (apply, plan, status, remove):
        team.command()(command)
    app.add_typer(team, name="team")
    app.command()(doctor)


def apply(name: TeamName, as_json: AsJson = False) -> None:
    """Bring the team's three namespaces to what its file says."""
    from titlebout.spec import find_project
    from titlebout.team import apply_team

    steps = apply_team(find_project(), name, by=who(None), progress=progress_to_stderr())
    text = "\n".join(
        f"{step.namespace:<24} {step.part:<10} {step.seconds:6.1f} s" for step in steps
    )
    emit([step.model_dump() for step in steps], text, as_json=as_json)


def plan(name: TeamName, as_json: AsJson = False) -> None:
    """Show what `apply` would change; exits 10 if anything."""
    from titlebout.spec import find_project
    from titlebout.team import plan_team

    differences = plan_team(find_project(), name)
    text = (
        "\n".join(f"{found.namespace}: {found.part}\n{found.diff}" for found in differences)
        or "nothing would change"
    )
    emit([found.model_dump() for found in differences], text, as_json=as_json)
    if differences:
        raise typer.Exit(EXIT_DIFFERS)


def status(name: TeamName, as_json: AsJson = False) -> None:
    """What is installed, whether it is ready, how much of the quota is used."""
    from titlebout.spec import find_project
    from titlebout.team import team_status

    found = team_status(find_project(), name)
    emit(
        [one.model_dump(mode="json") for one in found],
        "\n".join(_line(one) for one in found),
        as_json=as_json,
    )


def remove(name: TeamName, delete_data: DeleteData = None, as_json: AsJson = False) -> None:
    """End what runs in the team's namespaces; volumes, credentials and namespaces stay."""
    from titlebout.spec import find_project
    from titlebout.team import remove_team

    namespaces = remove_team(
        find_project(), name, delete_data=delete_data, by=who(None), progress=progress_to_stderr()
    )
    data = "deleted" if delete_data else "kept"
    emit(
        {"namespaces": namespaces, "data": data},
        f"{', '.join(namespaces) or 'nothing'}: ended; data {data}",
        as_json=as_json,
    )


def doctor(name: TeamName, env: EnvironmentName, as_json: AsJson = False) -> None:
    """Name what a team's namespace lacks to train, release and run pipelines; exits 10 if anything."""
    from titlebout.spec import find_project
    from titlebout.team import examine

    findings = examine(find_project(), name, env)
    text = "\n".join(
        f"{found.state:<9}{': '.join(filter(None, (found.part, found.found)))}{_advice(found.next_step)}"
        for found in findings
    )
    emit([found.model_dump() for found in findings], text, as_json=as_json)
    if any(found.state == "missing" for found in findings):
        raise typer.Exit(EXIT_DIFFERS)


def _advice(next_step: str) -> str:
    return f"\n{'':<9}next: {next_step}" if next_step else ""


def _line(found: "Namespace") -> str:
    charts = (
        ", ".join(
            name if state == "deployed" else f"{name} {state}"
            for name, state in found.charts.items()
        )
        or "nothing installed"
    )
    ready = ", ".join(f"{name} {count}" for name, count in found.ready.items()) or "nothing"
    used = ", ".join(
        f"{name.rpartition('.')[2]} {found.used[name]}" for name in SHOWN if name in found.used
    )
    return f"{found.namespace:<20} {found.state:<8} {charts}\n{'':<20} ready: {ready}" + (
        f"\n{'':<20} used: {used}" if used else ""
    )
