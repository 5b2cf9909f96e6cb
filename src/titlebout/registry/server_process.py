"""Run one MLflow tracking server with basic auth, in one process.

`mlflow server` runs the same, and leaves a second process waiting beside it.
`python -m titlebout.registry.server_process HOME PORT NAME STATE_HOME` is the embedded one. Its
log is NAME's in STATE_HOME. Settings for people are variables, set by `embedded_servers`.
"""

import gc
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from titlebout import processes
from titlebout.logs import is_json

# a server that prints a traceback per request fills a few megabytes in that time
ROTATE_SECONDS = 5.0
# Requests under way may take so long when the server is asked to end.
BACKLOG_SECONDS = 5


def run(
    *,
    database: str,
    artifacts: str,
    host: str,
    port: int,
    until_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until asked to end.

    The imports take seconds. `until_ready` is called after them, before the first look at the
    database.
    """
    os.environ |= _internal_settings(database, artifacts)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    gc.disable()  # importing 2,500 modules makes no garbage; looking for it is 15 % of the time
    import uvicorn
    from mlflow.server import auth, handlers

    gc.freeze()
    gc.enable()
    until_ready()
    # this migrates an empty database before it answers
    handlers.initialize_backend_stores(database, database, "mlflow-artifacts:/")
    uvicorn.run(
        auth.create_app(),
        host=host,
        port=port,
        access_log=False,
        timeout_graceful_shutdown=BACKLOG_SECONDS,
        log_config=None if is_json() else uvicorn.config.LOGGING_CONFIG,  # None: as the root logs
        log_level="info",
    )


def _internal_settings(database: str, artifacts: str) -> dict[str, str]:
    """Return the variables by which MLflow's own command hands its options to the serving process.

    They are those of mlflow/server/constants.py of the pinned version.
    """
    return {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": artifacts,
        "_MLFLOW_SGI_NAME": "uvicorn",
    }


def _keep_log_small(name: str, state: Path) -> None:
    """Rotate this process's log for as long as it runs. In a pod the kubelet does it."""
    while True:
        processes.rotate_log(name, state)
        time.sleep(ROTATE_SECONDS)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    threading.Thread(
        target=_keep_log_small, args=(sys.argv[3], Path(sys.argv[4])), daemon=True
    ).start()
    run(
        database=f"sqlite:///{home / 'mlflow.db'}",
        artifacts=str(home / "artifacts"),
        host="127.0.0.1",
        port=int(sys.argv[2]),
    )
