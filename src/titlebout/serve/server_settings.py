"""What a server is told when it is deployed: which release it is, in which slot, where its inference table goes, whom it trusts."""

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
    """`probe_secret` proves that a request is the platform's own; without one, none is. `origins` may call from a web page.

    `client` names the header or the cookie that tells one client from another.
    """

    release: Release
    slot: str
    inference: str
    probe_secret: str = ""
    origins: tuple[str, ...] = ()
    client: str = CLIENT_NAME


def read_server_settings() -> ServerSettings:
    """From the environment; raises SpecError naming the variable or the file that is wrong."""
    release, slot, inference = map(_variable, (RELEASE_VARIABLE, SLOT_VARIABLE, INFERENCE_VARIABLE))
    origins = tuple(os.environ.get(ORIGINS_VARIABLE, "").split())
    secret, client = (
        os.environ.get(PROBE_VARIABLE, ""),
        os.environ.get(CLIENT_VARIABLE) or CLIENT_NAME,
    )
    return ServerSettings(
        Release.from_json(Path(release)), slot, inference, secret, origins, client
    )


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise SpecError(
        f"the variable {name}",
        expected="a value: it is given at deployment",
        found="none",
        next_step="set it; see docs/serving.md",
    )
