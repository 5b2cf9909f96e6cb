"""Define `titlebout up`, `down` and `status`: what runs on this machine by default."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from titlebout.cli.error_output import error_as_json, print_error
from titlebout.cli.options import AsJson, emit, progress_to_stderr

if TYPE_CHECKING:
    from titlebout.spec import Environment, Progress, TitleboutError

Environments = Annotated[
    list[str] | None, typer.Argument(metavar="[ENV]...", help="which environments  [default: all]")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(up)
    app.command()(down)
    app.command()(status)


def up(environments: Environments = None, as_json: AsJson = False) -> None:
    """Start the MLflow servers, and serve again what was being served.

    Each part starts by itself: what cannot start is named, and everything else runs.
    """
    project, chosen = _load_local_environments(environments)
    faults = _start_all(project, chosen, progress=progress_to_stderr())
    _print_and_exit(project, chosen, faults, as_json=as_json)


def _start_all(
    project: Path, environments: list["Environment"], *, progress: "Progress"
) -> dict[str, list["TitleboutError"]]:
    """Start everything at once, serving before MLflow. Return the faults by environment."""
    from concurrent.futures import ThreadPoolExecutor

    from titlebout.registry import prepare_access, start_servers
    from titlebout.rollout import resume_serving
    from titlebout.spec import TitleboutError, leaves, not_started

    def start_serving(environment: "Environment") -> None:
        resume_serving(project, environment, progress=progress)

    def start_mlflow(environment: "Environment") -> None:
        start_servers(project, [environment], progress=progress)
        prepare_access(project, [environment], progress=progress)

    faults: dict[str, list[TitleboutError]] = {environment.name: [] for environment in environments}
    with ThreadPoolExecutor(max_workers=2 * len(environments) or 1) as pool:
        started = [
            (environment, pool.submit(start, environment))
            for start in (start_serving, start_mlflow)
            for environment in environments
        ]
    for environment, done in started:
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
    """Stop everything that runs; nothing is deleted."""
    from titlebout.registry import stop_servers
    from titlebout.rollout import halt_serving
    from titlebout.spec import TitleboutError, leaves

    project, chosen = _load_local_environments(environments)
    faults: dict[str, list[TitleboutError]] = {environment.name: [] for environment in chosen}
    for environment in chosen:
        try:
            halt_serving(project, environment)
        except* TitleboutError as group:
            faults[environment.name] += leaves(group)
    stop_servers(project, chosen)
    _print_and_exit(project, chosen, faults, as_json=as_json)


def status(environments: Environments = None, as_json: AsJson = False) -> None:
    """Show what runs, and which release takes the traffic."""
    project, chosen = _load_environments(environments)
    _print_status(project, chosen, as_json=as_json)


def _load_environments(names: list[str] | None) -> tuple[Path, list["Environment"]]:
    from titlebout.spec import find_project, load_environment

    project = find_project()
    every = sorted(
        folder.parent.name for folder in (project / "environments").glob("*/environment.yaml")
    )
    return project, [load_environment(project, name) for name in names or every]


def _load_local_environments(names: list[str] | None) -> tuple[Path, list["Environment"]]:
    """Return the environments that run on this machine: a cluster starts and stops its own."""
    project, chosen = _load_environments(names)
    return project, [environment for environment in chosen if environment.kubernetes is None]


def _print_and_exit(
    project: Path,
    environments: list["Environment"],
    faults: dict[str, list["TitleboutError"]],
    *,
    as_json: bool,
) -> None:
    """Print what could not be done, then what runs. Exit 1 if there were faults."""
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
    """Print what runs. `faults` holds what could not be started, by environment."""
    entries = [_environment_status(project, environment) for environment in environments]
    for entry in entries if faults is not None else ():
        entry["faults"] = [error_as_json(fault) for fault in (faults or {})[entry["environment"]]]
    emit(entries, "\n".join(map(_status_in_words, entries)), as_json=as_json)


def _environment_status(project: Path, environment: "Environment") -> dict[str, Any]:
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


def _status_in_words(entry: dict[str, Any]) -> str:
    mlflow = entry["mlflow"]
    lines = [f"{entry['environment']:<8} MLflow {mlflow['address']}  {mlflow['state']}"]
    for model in entry["models"]:
        proxy = (
            f" (proxy {model['proxy']}, supervisor {model['supervisor']})"
            if "proxy" in model
            else ""
        )
        live = model.get("problem") or model["live"] or "nothing live"
        lines.append(f"         {model['model']} at {model['endpoint']}: {live}{proxy}")
        for slot in model["slots"]:
            release = (slot["release"] or "unreadable")[:12]
            lines.append(f"           {slot['slot']:<6} release {release}  {slot['state']}")
        lines += [
            f"           DIFFERS from the ledger: {difference}"
            for difference in model.get("differences", ())
        ]
    return "\n".join(lines)
