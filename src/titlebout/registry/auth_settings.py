"""How every MLflow server authenticates: the file that MLFLOW_AUTH_CONFIG_PATH names, and the variables beside it."""

from pathlib import Path

from titlebout.registry.credentials import ADMIN

AUTH_CACHE_SECONDS = 60  # a password is hashed once a minute, not once a call: 192 ms becomes 10 ms

AUTH_SETTINGS = """\
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = {database}
admin_username = {admin}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
grant_default_workspace_access = false
auth_cache_ttl_seconds = {cache_seconds}
"""

SERVER_SETTINGS = {
    "MLFLOW_ENABLE_WORKSPACES": "true",  # without them, every account may create experiments and registered models
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # four times the memory, for jobs that nobody here starts
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MALLOC_ARENA_MAX": "2",  # the server's threads wait for the database; more arenas cost memory and gain nothing
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def write_auth_settings(path: Path, *, database: str) -> Path:
    """`database` holds the accounts; a password in it is why the file is its owner's alone."""
    text = AUTH_SETTINGS.format(
        database=database.replace("%", "%%"), admin=ADMIN, cache_seconds=AUTH_CACHE_SECONDS
    )
    path.touch(mode=0o600)
    path.write_text(text)
    return path
