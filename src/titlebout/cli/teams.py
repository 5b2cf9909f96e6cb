"""Define `titlebout team apply|plan|status|remove` and `titlebout doctor`: a team's namespaces."""

from typing import TYPE_CHECKING, Annotated

import typer

from titlebout.cli.options import AsJson, EnvironmentName, emit, progress_to_stderr, who

if TYPE_CHECKING:
    from titlebout.team import Namespace

TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="a file in environments/teams/")]
DeleteData = Annotated[
    str | None,
    typer.Option(
        "--delete-data",
        metavar="TEAM",
        help="the team's name again: volumes and namespaces are deleted, too",
    ),
]
EXIT_DIFFERS = 10
SHOWN_QUOTAS = ("requests.cpu", "limits.memory", "pods")

team = typer.Typer(
    no_args_is_help=True,
    help="Manage a team's namespaces, one per environment; each command takes --json.",
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (apply, plan, status, remove):
        team.command()(command)
    app.add_typer(team, name="team")
    app.command()(doctor)


def apply(name: TeamName, as_json: AsJson = False) -> None:
    """Make the team's three namespaces match its file."""
    from titlebout.spec import find_project
    from titlebout.team import apply_team

    steps = apply_team(find_project(), name, by=who(None), progress=progress_to_stderr())
    text = "\n".join(
        f"{step.namespace:<24} {step.part:<10} {step.seconds:6.1f} s" for step in steps
    )
    emit([step.model_dump() for step in steps], text, as_json=as_json)


def plan(name: TeamName, as_json: AsJson = False) -> None:
    """Show what `apply` would change; exits 10 if it would change anything."""
    from titlebout.spec import find_project
    from titlebout.team import plan_team

    differences = plan_team(find_project(), name)
    text = (
        "\n".join(f"{one.namespace}: {one.part}\n{one.diff}" for one in differences)
        or "nothing would change"
    )
    emit([one.model_dump() for one in differences], text, as_json=as_json)
    if differences:
        raise typer.Exit(EXIT_DIFFERS)


def status(name: TeamName, as_json: AsJson = False) -> None:
    """Show what is installed, whether it is ready, and how much of the quota is used."""
    from titlebout.spec import find_project
    from titlebout.team import team_status

    namespaces = team_status(find_project(), name)
    emit(
        [namespace.model_dump(mode="json") for namespace in namespaces],
        "\n".join(map(_namespace_in_words, namespaces)),
        as_json=as_json,
    )


def remove(name: TeamName, delete_data: DeleteData = None, as_json: AsJson = False) -> None:
    """Stop what runs in the team's namespaces; volumes, credentials and namespaces stay."""
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
    """Show what a team's namespace lacks to train, release and run pipelines; exits 10 if any."""
    from titlebout.spec import find_project
    from titlebout.team import examine

    findings = examine(find_project(), name, env)
    lines = []
    for finding in findings:
        detail = ": ".join(filter(None, (finding.part, finding.found)))
        lines.append(f"{finding.state:<9}{detail}")
        if finding.next_step:
            lines.append(f"{'':<9}next: {finding.next_step}")
    text = "\n".join(lines)
    emit([finding.model_dump() for finding in findings], text, as_json=as_json)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(EXIT_DIFFERS)


def _namespace_in_words(namespace: "Namespace") -> str:
    charts = (
        ", ".join(
            name if state == "deployed" else f"{name} {state}"
            for name, state in namespace.charts.items()
        )
        or "nothing installed"
    )
    ready = ", ".join(f"{name} {count}" for name, count in namespace.ready.items()) or "nothing"
    used = ", ".join(
        f"{name.rpartition('.')[2]} {namespace.used[name]}"
        for name in SHOWN_QUOTAS
        if name in namespace.used
    )
    return f"{namespace.namespace:<20} {namespace.state:<8} {charts}\n{'':<20} ready: {ready}" + (
        f"\n{'':<20} used: {used}" if used else ""
    )
