"""`titlebout up`, `down`, `status`: what runs on this machine for the embedded default."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from titlebout.cli.error_output import error_as_json, print_error
from titlebout.cli.options import AsJson, emit, progress_to_stderr
from titlebout.spec import Progress

if TYPE_CHECKING:
    from titlebout.spec import Environment, TitleboutError

Environments = Annotated[
    list[str] | None, typer.Argument(metavar="[ENV]...", help="which environments  [default: all]")
]


def add_to(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)
    app.command()(status)


def up(environments: Environments = None, as_json: AsJson = False) -> None:
    """Start the MLflow servers and what was being served.

    Each part by itself: what cannot start is named, and everything else runs.
    """
    project, chosen = _chosen_here(environments)
    faults = _bring_up(project, chosen, say=progress_to_stderr())
    _finish(project, chosen, faults, as_json=as_json)


def _bring_up(
    project: Path, environments: list["Environment"], *, say: Progress
) -> dict[str, list["TitleboutError"]]:
    """Start all at once, what is served first in line; return for each environment what could not start."""
    from concurrent.futures import ThreadPoolExecutor

    from titlebout.registry import prepare_access, start_servers
    from titlebout.rollout import resume_serving
    from titlebout.spec import TitleboutError, leaves, not_started

    def serving(environment: "Environment") -> None:
        resume_serving(project, environment, progress=say)

    def registry(environment: "Environment") -> None:
        start_servers(project, [environment], progress=say)
        prepare_access(project, [environment], progress=say)

    faults: dict[str, list[TitleboutError]] = {environment.name: [] for environment in environments}
    with ThreadPoolExecutor(max_workers=2 * len(environments) or 1) as pool:
        under_way = [
            (environment, pool.submit(part, environment))
            for part in (serving, registry)
            for environment in environments
        ]
    for environment, done in under_way:
        try:
            done.result()
        except* TitleboutError as group:
            faults[environment.name] += leaves(group)
        except* OSError as errors:
            faults[environment.name] += [
                not_started(environment.name, error) for error in leaves(errors)
            ]
    return faults


def down(environments: Environments = None, as_json: AsJson = False) -> None:
    """Stop all that runs; nothing is deleted."""
    from titlebout.registry import stop_servers
    from titlebout.rollout import halt_serving
    from titlebout.spec import TitleboutError, leaves

    project, chosen = _chosen_here(environments)
    faults: dict[str, list[TitleboutError]] = {environment.name: [] for environment in chosen}
    for environment in chosen:
        try:
            halt_serving(project, environment)
        except* TitleboutError as group:
            faults[environment.name] += leaves(group)
    stop_servers(project, chosen)
    _finish(project, chosen, faults, as_json=as_json)


def status(environments: Environments = None, as_json: AsJson = False) -> None:
    """What runs, and which release takes the traffic."""
    project, chosen = _chosen(environments)
    _print_status(project, chosen, as_json=as_json)


def _chosen(names: list[str] | None) -> tuple[Path, list["Environment"]]:
    from titlebout.spec import find_project, load_environment

    project = find_project()
    every = sorted(
        folder.parent.name for folder in (project / "environments").glob("*/environment.yaml")
    )
    return project, [load_environment(project, name) for name in names or every]


def _chosen_here(names: list[str] | None) -> tuple[Path, list["Environment"]]:
    """Only those that run on this machine: a cluster starts and stops its own."""
    project, chosen = _chosen(names)
    return project, [environment for environment in chosen if environment.kubernetes is None]


def _finish(
    project: Path,
    environments: list["Environment"],
    faults: dict[str, list["TitleboutError"]],
    *,
    as_json: bool,
) -> None:
    """Say what could not be done, by environment, and then what runs."""
    for environment_faults in faults.values():
        for fault in environment_faults:
            print_error(fault)
    _print_status(project, environments, as_json=as_json, faults=faults)
    raise typer.Exit(1 if any(faults.values()) else 0)


def _print_status(
    project: Path,
    environments: list["Environment"],
    *,
    as_json: bool,
    faults: Mapping[str, Sequence["TitleboutError"]] | None = None,
) -> None:
    """`faults`: what could not be started, by environment."""
    found = [_found(project, environment) for environment in environments]
    for entry in found if faults is not None else ():
        entry["faults"] = [error_as_json(fault) for fault in (faults or {})[entry["environment"]]]
    emit(found, "\n".join(map(_in_words, found)), as_json=as_json)


def _found(project: Path, environment: "Environment") -> dict[str, Any]:
    from titlebout.registry import server_status
    from titlebout.release import running_faults
    from titlebout.rollout import serving_status
    from titlebout.rollout.kubernetes import cluster_status

    if environment.kubernetes is not None:
        mlflow = {"address": environment.mlflow, "state": "on the cluster"}
        models = cluster_status(project, environment.name, environment.kubernetes)
        return {"environment": environment.name, "mlflow": mlflow, "models": models}
    models = serving_status(project, environment)
    differences = running_faults(project, environment) if models else {}
    served = [{**model, "differences": differences[model["model"]]} for model in models]
    return {
        "environment": environment.name,
        "mlflow": server_status(project, environment),
        "models": served,
    }


def _in_words(found: dict[str, Any]) -> str:
    mlflow = found["mlflow"]
    lines = [f"{found['environment']:<8} MLflow {mlflow['address']}  {mlflow['state']}"]
    for model in found["models"]:
        proxy = (
            f" (proxy {model['proxy']}, supervisor {model['supervisor']})"
            if "proxy" in model
            else ""
        )
        live = model.get("problem") or model["live"] or "nothing live"
        lines.append(f"         {model['model']} at {model['endpoint']}: {live}{proxy}")
        lines += [
            f"           {slot['slot']:<6} release {(slot['release'] or 'unreadable')[:12]}  {slot['state']}"
            for slot in model["slots"]
        ]
        lines += [
            f"           DIFFERS from the ledger: {difference}"
            for difference in model.get("differences", ())
        ]
    return "\n".join(lines)
