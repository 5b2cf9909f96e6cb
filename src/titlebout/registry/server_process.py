"""One MLflow tracking server with basic auth, in one process: what `mlflow server` runs, without the second process that it leaves waiting.

`python -m titlebout.registry.server_process HOME PORT`; the settings for people are environment variables, set by `servers`.
"""

import gc
import os
import sys
import warnings
from pathlib import Path

BACKLOG_SECONDS = 5  # what requests under way may take when the server is asked to end


def run(home: Path, port: int) -> None:
    os.environ |= _internal_settings(home)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    gc.disable()  # 2,500 modules are about to be imported, none of them garbage: 15 % of the time
    import uvicorn
    from mlflow.server import auth, handlers

    gc.freeze()
    gc.enable()
    database = _database(home)
    handlers.initialize_backend_stores(database, database, "mlflow-artifacts:/")  # migrates before it answers
    uvicorn.run(auth.create_app(), host="127.0.0.1", port=port, access_log=False, timeout_graceful_shutdown=BACKLOG_SECONDS)


def _internal_settings(home: Path) -> dict[str, str]:
    """How MLflow's own command hands its options to the process that serves (mlflow/server/constants.py of the pinned version)."""
    return {
        "_MLFLOW_SERVER_FILE_STORE": _database(home),
        "_MLFLOW_SERVER_REGISTRY_STORE": _database(home),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(home / "artifacts"),
        "_MLFLOW_SGI_NAME": "uvicorn",
    }


def _database(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow.db'}"


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]))
