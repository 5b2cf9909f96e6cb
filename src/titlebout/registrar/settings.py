"""What the registrar's chart tells its process, by environment variables."""

import os
from typing import Self

from titlebout.spec import Record, SpecError


class RegistrarSettings(Record):
    namespace: str
    environment: str
    ledger: str
    storage: str
    mlflow: str
    user: str
    password: str
    port: int

    @classmethod
    def from_variables(cls) -> Self:
        """Raises SpecError naming the variable that is missing."""
        return cls(
            namespace=_variable("TITLEBOUT_NAMESPACE"),
            environment=_variable("TITLEBOUT_ENVIRONMENT"),
            ledger=_variable("TITLEBOUT_LEDGER"),
            storage=_variable("TITLEBOUT_STORAGE"),
            mlflow=_variable("MLFLOW_TRACKING_URI"),
            user=_variable("MLFLOW_TRACKING_USERNAME"),
            password=_variable("MLFLOW_TRACKING_PASSWORD"),
            port=int(_variable("TITLEBOUT_PORT")),
        )


def _variable(name: str) -> str:
    if name not in os.environ:
        raise SpecError(
            name,
            expected="the variable to be set",
            found="nothing",
            next_step="install helm/registrar, which sets it",
        )
    return os.environ[name]
