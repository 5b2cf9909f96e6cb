"""Read the settings that a server gets at deployment.

They name its release, its slot, its inference table, and whom it trusts.
"""

import os
from pathlib import Path
from typing import NamedTuple

from titlebout.serve.clients import CLIENT_NAME
from titlebout.spec import (
    CLIENT_VARIABLE,
    INFERENCE_VARIABLE,
    ORIGINS_VARIABLE,
    PROBE_VARIABLE,
    RELEASE_VARIABLE,
    SLOT_VARIABLE,
    Release,
    SpecError,
)


class ServerSettings(NamedTuple):
    """Hold the settings of a server.

    `probe_secret` proves that a request is the platform's own; without one, none is. `origins` may
    call from a web page. `client` names the header or the cookie that tells one client from
    another.
    """

    release: Release
    slot: str
    inference: str
    probe_secret: str = ""
    origins: tuple[str, ...] = ()
    client: str = CLIENT_NAME


def read_server_settings() -> ServerSettings:
    """Read the settings from the environment.

    Raise SpecError that names the variable or the file that is wrong.
    """
    release, slot, inference = map(
        _require_variable, (RELEASE_VARIABLE, SLOT_VARIABLE, INFERENCE_VARIABLE)
    )
    origins = tuple(os.environ.get(ORIGINS_VARIABLE, "").split())
    secret = os.environ.get(PROBE_VARIABLE, "")
    client = os.environ.get(CLIENT_VARIABLE) or CLIENT_NAME
    return ServerSettings(
        Release.from_json(Path(release)), slot, inference, secret, origins, client
    )


def _require_variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise SpecError(
        f"the variable {name}",
        expected="a value: it is given at deployment",
        found="none",
        next_step="set it; see docs/serving.md",
    )
