"""Read the variables that helm/mlflow sets for the server's pod and for the Job that sets it up."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from titlebout.pod_variables import PodVariables
from titlebout.registry.credentials import ADMIN
from titlebout.spec import Right


def _split(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else value


# separated by spaces, not JSON
SpaceSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class PodSettings(PodVariables):
    """Hold the pods' variables.

    `admin` is the database server's superuser. It and `buckets` are set where the chart runs both
    servers.
    """

    environment: str = Field(validation_alias="TITLEBOUT_ENVIRONMENT")
    database: str = Field(validation_alias="TITLEBOUT_MLFLOW_DATABASE")
    accounts: str = Field(validation_alias="TITLEBOUT_MLFLOW_ACCOUNTS")
    artifacts: str = Field(validation_alias="TITLEBOUT_MLFLOW_ARTIFACTS")
    admin: str | None = Field(None, validation_alias="TITLEBOUT_DATABASE_ADMIN")
    ledger: str | None = Field(None, validation_alias="TITLEBOUT_LEDGER")
    buckets: SpaceSeparated = Field((), validation_alias="TITLEBOUT_BUCKETS")
    access: dict[str, Right] = Field({}, validation_alias="TITLEBOUT_ACCESS")


def mounted_passwords(folder: Path) -> dict[str, str]:
    """Return the users' passwords, the admin's first.

    The folder has a file per user, as the Secrets `mlflow-user-<user>` are mounted.
    """
    found = {
        path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")
    }
    return {ADMIN: found.pop(ADMIN), **found}
