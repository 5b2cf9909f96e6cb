"""What helm/mlflow tells its pods: the variables of the server and of the Job that sets it up."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from titlebout.pod_variables import PodVariables
from titlebout.registry.credentials import ADMIN
from titlebout.spec import Right


def _split(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.split()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]  # apart by spaces, no JSON


class PodSettings(PodVariables):
    """The database server's superuser `admin` and `buckets` are told where the chart runs both."""

    environment: str = Field(validation_alias="TITLEBOUT_ENVIRONMENT")
    database: str = Field(validation_alias="TITLEBOUT_MLFLOW_DATABASE")
    accounts: str = Field(validation_alias="TITLEBOUT_MLFLOW_ACCOUNTS")
    artifacts: str = Field(validation_alias="TITLEBOUT_MLFLOW_ARTIFACTS")
    admin: str | None = Field(None, validation_alias="TITLEBOUT_DATABASE_ADMIN")
    ledger: str | None = Field(None, validation_alias="TITLEBOUT_LEDGER")
    buckets: Words = Field((), validation_alias="TITLEBOUT_BUCKETS")
    access: dict[str, Right] = Field({}, validation_alias="TITLEBOUT_ACCESS")


def mounted_passwords(folder: Path) -> dict[str, str]:
    """A file per user, as the Secrets `mlflow-user-<user>` are mounted; the admin's among them."""
    found = {
        path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")
    }
    return {ADMIN: found.pop(ADMIN), **found}
