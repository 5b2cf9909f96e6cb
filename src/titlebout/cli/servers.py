"""`titlebout up`, `down`, `status`: what runs on this machine for the embedded default."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from titlebout.cli.options import AsJson, emit, progress_to_stderr

if TYPE_CHECKING:
    from titlebout.spec import Environment

Environments = Annotated[list[str] | None, typer.Argument(metavar="[ENV]...", help="which environments  [default: all]")]


def add_to(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)
    app.command()(status)


def up(environments: Environments = None, as_json: AsJson = False) -> None:
    """Start the MLflow servers and what was being served."""
    from titlebout.registry import prepare_access, start_servers
    from titlebout.rollout import resume_serving

    project, chosen = _chosen_here(environments)
    say = progress_to_stderr()
    start_servers(project, chosen, progress=say)
    prepare_access(project, chosen, progress=say)
    for environment in chosen:
        resume_serving(project, environment, progress=say)
    _print_status(project, chosen, as_json=as_json)


def down(environments: Environments = None, as_json: AsJson = False) -> None:
    """Stop all that runs; nothing is deleted."""
    from titlebout.registry import stop_servers
    from titlebout.rollout import halt_serving

    project, chosen = _chosen_here(environments)
    for environment in chosen:
        halt_serving(project, environment)
    stop_servers(project, chosen)
    _print_status(project, chosen, as_json=as_json)


def status(environments: Environments = None, as_json: AsJson = False) -> None:
    """What runs, and which release takes the traffic."""
    project, chosen = _chosen(environments)
    _print_status(project, chosen, as_json=as_json)


def _chosen(names: list[str] | None) -> tuple[Path, list["Environment"]]:
    from titlebout.spec import find_project, load_environment

    project = find_project()
    every = sorted(folder.parent.name for folder in (project / "environments").glob("*/environment.yaml"))
    return project, [load_environment(project, name) for name in names or every]


def _chosen_here(names: list[str] | None) -> tuple[Path, list["Environment"]]:
    """Only those that run on this machine: a cluster starts and stops its own."""
    project, chosen = _chosen(names)
    return project, [environment for environment in chosen if environment.kubernetes is None]


def _print_status(project: Path, environments: list["Environment"], *, as_json: bool) -> None:
    from titlebout.registry import server_status
    from titlebout.rollout import serving_status
    from titlebout.rollout.kubernetes import cluster_status

    found: list[dict[str, Any]] = []
    for environment in environments:
        if environment.kubernetes is None:
            mlflow, models = server_status(project, environment), serving_status(project, environment)
        else:
            mlflow = {"address": environment.mlflow, "state": "on the cluster"}
            models = cluster_status(project, environment.name, environment.kubernetes)
        found.append({"environment": environment.name, "mlflow": mlflow, "models": models})
    emit(found, "\n".join(map(_in_words, found)), as_json=as_json)


def _in_words(found: dict[str, Any]) -> str:
    mlflow = found["mlflow"]
    lines = [f"{found['environment']:<8} MLflow {mlflow['address']}  {mlflow['state']}"]
    for model in found["models"]:
        proxy = f" (proxy {model['proxy']})" if "proxy" in model else ""
        live = model.get("problem") or model["live"] or "nothing live"
        lines.append(f"         {model['model']} at {model['endpoint']}: {live}{proxy}")
        lines += [f"           {slot['slot']:<6} release {slot['release'][:12]}  {slot['state']}" for slot in model["slots"]]
    return "\n".join(lines)
