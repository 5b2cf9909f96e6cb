"""What helm/mlflow tells its pods: the variables of the server and of the Job that sets it up."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from titlebout.registry.credentials import ADMIN
from titlebout.spec import Record, Right


class PodSettings(Record):
    """`admin` is the database server's superuser and `buckets` are those to be made: only where the chart runs both itself."""

    environment: str
    database: str
    accounts: str
    artifacts: str
    admin: str | None
    ledger: str | None
    buckets: tuple[str, ...]
    access: dict[str, Right]

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        return cls(
            environment=variables["TITLEBOUT_ENVIRONMENT"],
            database=variables["TITLEBOUT_MLFLOW_DATABASE"],
            accounts=variables["TITLEBOUT_MLFLOW_ACCOUNTS"],
            artifacts=variables["TITLEBOUT_MLFLOW_ARTIFACTS"],
            admin=variables.get("TITLEBOUT_DATABASE_ADMIN"),
            ledger=variables.get("TITLEBOUT_LEDGER"),
            buckets=tuple(variables.get("TITLEBOUT_BUCKETS", "").split()),
            access=json.loads(variables.get("TITLEBOUT_ACCESS", "{}")),
        )


def mounted_passwords(folder: Path) -> dict[str, str]:
    """A file per user, as the Secrets `mlflow-user-<user>` are mounted; the admin's among them."""
    found = {
        path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")
    }
    return {ADMIN: found.pop(ADMIN), **found}
