"""Run a namespace's MLflow server, for helm/mlflow: `python -m titlebout.registry.server_pod`."""

import os
import tempfile
from functools import partial
from pathlib import Path

from titlebout.logs import configure_pod_logs, is_json
from titlebout.registry.auth_settings import SERVER_SETTINGS, write_auth_settings
from titlebout.registry.database_schema import wait_until_current
from titlebout.registry.pod import PodSettings
from titlebout.registry.server_process import run
from titlebout.spec import object_names

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104  the namespace's NetworkPolicies say who may connect


def main() -> None:
    """Serve as this pod's variables say, until asked to end."""
    configure_pod_logs()
    if is_json():  # else MLflow adds a handler of its own, which writes text
        os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
    settings = PodSettings.read()
    for name, value in SERVER_SETTINGS.items():
        os.environ.setdefault(name, value)
    auth_file = write_auth_settings(
        Path(tempfile.gettempdir()) / "basic_auth.ini", database=settings.accounts
    )
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(auth_file)
    run(
        database=settings.database,
        artifacts=settings.artifacts,
        host=EVERY_ADDRESS,
        port=object_names.MLFLOW_PORT,
        until_ready=partial(
            wait_until_current, database=settings.database, accounts=settings.accounts
        ),
    )


if __name__ == "__main__":
    main()
