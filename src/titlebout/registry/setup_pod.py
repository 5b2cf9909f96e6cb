"""Set up what a namespace's MLflow server needs: databases, schemas, buckets, accounts and rights.

The Job of helm/mlflow runs it: `python -m titlebout.registry.setup_pod PASSWORDS`. Accounts and
rights follow when the server answers. Idempotent: it runs again when values change.
"""

import logging
import sys
from pathlib import Path

from titlebout import processes
from titlebout.logs import configure_pod_logs
from titlebout.registry.access import bring_accounts
from titlebout.registry.connection import Connection
from titlebout.registry.credentials import ADMIN
from titlebout.registry.database_schema import migrate
from titlebout.registry.databases import ensure_databases
from titlebout.registry.pod import PodSettings, mounted_passwords
from titlebout.spec import object_names
from titlebout.storage import ensure_bucket
from titlebout.waiting import wait_until

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 280.0
SERVER = f"http://{object_names.MLFLOW_SERVICE}:{object_names.MLFLOW_PORT}"


def main(passwords_folder: Path) -> None:
    """Set up the namespace that this pod's variables describe.

    `passwords_folder` holds one file per user. Raise RegistryError if the database server or the
    MLflow server does not come.
    """
    configure_pod_logs()
    settings = PodSettings.read()
    if settings.admin is not None:
        ensure_databases(
            settings.admin, filter(None, (settings.database, settings.accounts, settings.ledger))
        )
        log.info("databases are ready")
    migrate(database=settings.database, accounts=settings.accounts)
    log.info("schemas are current")
    for bucket in settings.buckets:
        ensure_bucket(bucket)
    log.info("buckets are ready")
    passwords = mounted_passwords(passwords_folder)
    admin = Connection(
        environment=settings.environment, address=SERVER, user=ADMIN, password=passwords[ADMIN]
    )
    _wait_until_healthy(admin)
    bring_accounts(admin, settings.access, passwords=passwords)
    log.info("accounts are ready: %s", ", ".join(passwords))


def _wait_until_healthy(admin: Connection) -> None:
    """Wait until the server is healthy. Raise RegistryError if it is not in time."""
    health = f"{admin.address}/health"
    if not wait_until(
        lambda: processes.answers(health), seconds=PATIENCE_SECONDS, poll_seconds=POLL_SECONDS
    ):
        raise admin.away()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
