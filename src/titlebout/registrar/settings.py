"""Read the environment variables that the registrar's chart sets."""

from pydantic import Field

from titlebout.pod_variables import PodVariables


class RegistrarSettings(PodVariables):
    """Hold the registrar's variables. `ledger` is the database's URL, with its password."""

    namespace: str = Field(validation_alias="TITLEBOUT_NAMESPACE")
    environment: str = Field(validation_alias="TITLEBOUT_ENVIRONMENT")
    ledger: str = Field(validation_alias="TITLEBOUT_LEDGER")
    storage: str = Field(validation_alias="TITLEBOUT_STORAGE")
    mlflow: str = Field(validation_alias="MLFLOW_TRACKING_URI")
    user: str = Field(validation_alias="MLFLOW_TRACKING_USERNAME")
    password: str = Field(validation_alias="MLFLOW_TRACKING_PASSWORD")
    port: int = Field(validation_alias="TITLEBOUT_PORT")
