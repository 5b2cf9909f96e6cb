"""Define `titlebout release`, `rollback`, `history` and `verify`: what takes the traffic."""

from typing import Annotated

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

OverrideReason = Annotated[
    str | None,
    typer.Option(
        "--override",
        metavar="REASON",
        help="release against the verdict, or with a contract that refuses today's clients; "
        "recorded with your name",
    ),
]
VersionNumber = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="NUMBER",
        help="release this registered version  [default: the Challenger]",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(release)
    app.command()(rollback)
    app.command()(history)
    app.command()(verify)


def release(  # noqa: PLR0917  Typer's options, none of them positional
    model: ModelName,
    environment: EnvironmentName,
    by: By = None,
    override: OverrideReason = None,
    version: VersionNumber = None,
    as_json: AsJson = False,
) -> None:
    """Release the version that the gate accepted.

    Package it, deploy it to the idle slot, test it there, switch the traffic, watch.
    """
    from titlebout import release as releasing
    from titlebout.spec import Override, find_project, require_words

    approval = (
        None
        if override is None
        else Override(by=who(by), reason=require_words("--override", override))
    )
    outcome = releasing.release(
        find_project(),
        model,
        environment,
        by=who(by),
        override=approval,
        version=version,
        progress=progress_to_stderr(),
    )
    emit(outcome.as_json(), outcome.in_words(), as_json=as_json)


def rollback(
    model: ModelName,
    environment: EnvironmentName,
    reason: Annotated[str, typer.Option("--reason", help="why, for the ledger")] = "not given",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Give the traffic back to the release before.

    Image, model, threshold and configuration go back together.
    """
    from titlebout import release as releasing
    from titlebout.spec import find_project

    outcome = releasing.rollback(find_project(), model, environment, by=who(by), reason=reason)
    emit(outcome.as_json(), outcome.in_words(), as_json=as_json)


def history(
    model: ModelName,
    environment: EnvironmentName,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="which release served at this time; ISO 8601, UTC unless it says otherwise",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what was released and rolled back, or what served at a time."""
    from titlebout import ledger
    from titlebout.spec import find_project

    entries = ledger.history(find_project(), model, environment, at=at)
    plain = [entry.model_dump(mode="json") for entry in entries]
    emit(
        plain,
        "\n".join(ledger.entry_in_words(entry) for entry in entries)
        or _no_entry(model, environment, at),
        as_json=as_json,
    )


def verify(
    environment: EnvironmentName,
    team: Annotated[
        str | None,
        typer.Option(
            "--team", help="on a cluster: only this team's ledger  [default: every team's]"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find any altered or missing record; exits 1 if there is one."""
    from titlebout import release as releasing
    from titlebout.spec import find_project

    faults = releasing.verify(find_project(), environment, team=team)
    emit(
        {"environment": environment, "faults": faults},
        "\n".join(faults) or f"{environment}: every record holds",
        as_json=as_json,
    )
    raise typer.Exit(1 if faults else 0)


def _no_entry(model: str, environment: str, at: str | None) -> str:
    return (
        f"no release of {model} served in {environment} at {at}"
        if at
        else f"{model} was never released in {environment}"
    )
