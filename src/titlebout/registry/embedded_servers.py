"""Start and stop this machine's MLflow servers.

Each environment has a process of its own, with its own port, database and artifact folder.
"""

import secrets
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock

from titlebout import processes
from titlebout.registry.auth_settings import SERVER_SETTINGS, write_auth_settings
from titlebout.registry.credentials import ADMIN, ensure_accounts
from titlebout.spec import Environment, Progress, RegistryError
from titlebout.storage import make_state_home, state_home

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost"})
# 12 s for three on two warm cores; a cold disk or a busy machine takes several times that
START_SECONDS = 120.0
STOP_GRACE_SECONDS = 10.0


def start_servers(
    project: Path, environments: Sequence[Environment], *, progress: Progress
) -> None:
    """Start the servers of this machine that do not run yet; return when all answer.

    They start in parallel. Raise RegistryError if another program holds a port, ProcessFailed if a
    server does not become ready.
    """
    embedded = [environment for environment in environments if is_embedded(environment)]
    # a second `up` at the same time finds the first one's servers
    with FileLock(make_state_home(project) / "mlflow.lock"):
        for environment in embedded:
            _start(project, environment)
    for environment in embedded:
        name, home = _name(environment), state_home(project)
        processes.wait_until_ready(
            name,
            home,
            partial(processes.answers, _health(environment)),
            timeout_seconds=START_SECONDS,
        )
        progress(f"{environment.name}: MLflow at {environment.mlflow}")


def stop_servers(project: Path, environments: Sequence[Environment]) -> None:
    """Stop the servers. Data, accounts and logs stay."""
    for environment in environments:
        processes.stop(_name(environment), state_home(project), STOP_GRACE_SECONDS)


def server_status(project: Path, environment: Environment) -> dict[str, Any]:
    """Return `address`, `state` and `pid` of the environment's server.

    The state is running, starting or stopped. Of a server elsewhere, it is running or away. The pid
    is None if the server is elsewhere or stopped.
    """
    process = processes.running(_name(environment), state_home(project))
    answers = processes.answers(_health(environment))
    if not is_embedded(environment):
        return {
            "address": environment.mlflow,
            "state": "running" if answers else "away",
            "pid": None,
        }
    if process is None:
        return {"address": environment.mlflow, "state": "stopped", "pid": None}
    return {
        "address": environment.mlflow,
        "state": "running" if answers else "starting",
        "pid": process.pid,
    }


def is_embedded(environment: Environment) -> bool:
    """Tell whether the environment's server runs on this machine."""
    return urlsplit(environment.mlflow).hostname in LOCAL_HOSTS


def _start(project: Path, environment: Environment) -> None:
    home, name = state_home(project), _name(environment)
    if processes.running(name, home):
        return
    # the port of a server whose starter was killed is not held by another program
    if not processes.orphan(name, home):
        _require_free_port(environment)
    server_home = home / "mlflow" / environment.name
    server_home.mkdir(parents=True, exist_ok=True)
    auth_file = write_auth_settings(
        server_home / "basic_auth.ini", database=f"sqlite:///{server_home / 'auth.db'}"
    )
    processes.start(
        name,
        [
            sys.executable,
            "-m",
            "titlebout.registry.server_process",
            str(server_home),
            str(_port(environment)),
            name,
            str(home),
        ],
        home=home,
        env=_settings(
            environment,
            auth_file=auth_file,
            admin_password=ensure_accounts(project, environment)[ADMIN],
        ),
        cwd=server_home,
    )


def _settings(environment: Environment, *, auth_file: Path, admin_password: str) -> dict[str, str]:
    port = _port(environment)
    return SERVER_SETTINGS | {
        "MLFLOW_AUTH_CONFIG_PATH": str(auth_file),
        "MLFLOW_AUTH_ADMIN_PASSWORD": admin_password,
        # signs the sign-up form's token; the server has one worker, so the key is not shared
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(f"{host}:{port}" for host in sorted(LOCAL_HOSTS)),
    }


def _require_free_port(environment: Environment) -> None:
    with socket.socket() as probe:
        # a port that only waits for its last packets is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", _port(environment)))
        except OSError as error:
            raise RegistryError(
                f"{environment.name}'s MLflow server",
                expected=f"port {_port(environment)} free",
                found="another program holds it",
                next_step="stop that program, or set another `mlflow` port in "
                f"environments/{environment.name}/environment.yaml",
            ) from error


def _name(environment: Environment) -> str:
    return f"mlflow-{environment.name}"


def _port(environment: Environment) -> int:
    return urlsplit(environment.mlflow).port or 80


def _health(environment: Environment) -> str:
    return f"{environment.mlflow.rstrip('/')}/health"
