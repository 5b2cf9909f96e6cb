"""Keep the accounts of this machine's MLflow servers where only their owner can read them."""

import os
import secrets
from pathlib import Path

import yaml
from filelock import FileLock

from titlebout.atomic_files import OWNER_ONLY, write_whole
from titlebout.spec import Environment, RegistryError, object_names
from titlebout.storage import make_state_home, state_home

ADMIN, RELEASER = "admin", "releaser"
USER_VARIABLE, PASSWORD_VARIABLE = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
CREDENTIALS_FILE = "credentials.yaml"
PASSWORD_BYTES = 24  # 32 characters; MLflow refuses fewer than 12
HEADER = (
    "# Made by `titlebout up`, for the servers on this machine only. "
    "{environment: {user: password}}\n"
)

Accounts = dict[str, str]  # user: password


def ensure_accounts(project: Path, environment: Environment) -> Accounts:
    """Return a password for every user that the environment declares, made once.

    No password ever changes, and none is removed.
    """
    make_state_home(project)
    path = _path(project)
    with FileLock(f"{path}.lock"):
        by_environment = _read(path)
        accounts = by_environment.setdefault(environment.name, {})
        missing = [user for user in users_of(environment) if user not in accounts]
        accounts |= {user: secrets.token_urlsafe(PASSWORD_BYTES) for user in missing}
        if missing:
            _write(path, by_environment)
    return accounts


def users_of(environment: Environment) -> list[str]:
    """Return the users of the environment's server: admin, releaser, and those it declares."""
    return [ADMIN, RELEASER, *environment.access]


def password_of(project: Path, environment: Environment, user: str) -> str:
    """Return the user's password: from this machine's file, or on a cluster from the variables.

    Raise RegistryError if the user has no account there, or if the variables do not hold it.
    """
    if environment.kubernetes is not None:
        return _password_of_variables(environment, user)
    password = _read(_path(project)).get(environment.name, {}).get(user)
    if password is None:
        raise RegistryError(
            f"{environment.name}'s MLflow server at {environment.mlflow}",
            expected=f"an account of {user} in {_path(project)}",
            found="none",
            next_step=f"`titlebout up {environment.name}` makes the accounts "
            "that its environment.yaml declares",
        )
    return password


def _password_of_variables(environment: Environment, user: str) -> str:
    """Return the password that this process's variables hold.

    A pod has it from its Secret. Outside the cluster `titlebout.cluster.reach` sets the same
    variables.
    """
    found = os.environ.get(USER_VARIABLE)
    if found != user or PASSWORD_VARIABLE not in os.environ:
        raise RegistryError(
            f"{environment.name}'s MLflow server at {environment.mlflow}",
            expected=f"{USER_VARIABLE}={user} and {PASSWORD_VARIABLE}",
            found=f"{USER_VARIABLE}={found}" if found else "neither",
            next_step=f"give the pod the Secret {object_names.user_secret(user)}",
        )
    return os.environ[PASSWORD_VARIABLE]


def _path(project: Path) -> Path:
    return state_home(project) / CREDENTIALS_FILE


def _read(path: Path) -> dict[str, Accounts]:
    return (yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}


def _write(path: Path, by_environment: dict[str, Accounts]) -> None:
    with write_whole(path, mode=OWNER_ONLY) as file:
        file.write(HEADER.encode())
        yaml.safe_dump(by_environment, file, encoding="utf-8")
