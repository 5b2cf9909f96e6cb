"""Read what a chart tells a pod's process by environment variables."""

from typing import Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from titlebout.spec import SpecError


class PodVariables(BaseSettings):
    """Hold a process's settings; each field names its variable as `validation_alias`.

    Passwords are among them, so no error shows a value.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True, frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    @classmethod
    def read(cls) -> Self:
        """Read this process's variables; raise SpecError naming each that is missing or wrong."""
        try:
            return cls()
        except ValidationError as error:
            faults = [(str(one["loc"][0]), one["msg"]) for one in error.errors()]
        except SettingsError as error:  # a variable that should hold JSON
            faults = [("the variables", str(error))]
        raise SpecError(
            ", ".join(sorted({name for name, _ in faults})),
            expected=f"the variables of {cls.__name__}",
            found="; ".join(f"{name}: {message}" for name, message in faults),
            next_step="install the pod by its chart in helm/, which sets them",
        )
