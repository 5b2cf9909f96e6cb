"""Write how every MLflow server authenticates, for the variable MLFLOW_AUTH_CONFIG_PATH."""

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
    # without them, every account may create experiments and registered models
    "MLFLOW_ENABLE_WORKSPACES": "true",
    # it takes four times the memory, for jobs that are never started here
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # the server's threads wait for the database; more arenas cost memory and gain nothing
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def write_auth_settings(path: Path, *, database: str) -> Path:
    """Write the file, readable by its owner only, and return its path.

    `database` is the URL of the accounts' database. It may hold a password.
    """
    text = AUTH_SETTINGS.format(
        database=database.replace("%", "%%"), admin=ADMIN, cache_seconds=AUTH_CACHE_SECONDS
    )
    path.touch(mode=0o600)
    path.write_text(text)
    return path
