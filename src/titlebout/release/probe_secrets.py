"""Make and read the secret that proves to a slot that the platform asks it.

Each deployment has its own, which no client knows. On a cluster the chart keeps it in a Secret.
A release's records hold only the name of the variable by which a Job has it.
"""

import secrets
from collections.abc import Mapping

from titlebout.spec import PROBE_VARIABLE, SLOT_NAMES, SlotAddress, SlotName, object_names

SECRET_BYTES = 24


def new_secret() -> str:
    """Make a secret that an HTTP header can hold."""
    return secrets.token_urlsafe(SECRET_BYTES)


def variable_of(slot: SlotName) -> str:
    """Name the variable by which a Job has the slot's secret."""
    return f"{_prefix(slot)}{PROBE_VARIABLE}"


def slots_secrets(model: str) -> dict[str, str]:
    """Return the Secrets of both slots by their variables' prefix, for `Job.where_in_pod`."""
    return {_prefix(slot): object_names.slot_name(model, slot) for slot in SLOT_NAMES}


def revealed(address: SlotAddress, variables: Mapping[str, str]) -> SlotAddress:
    """Replace the name of the variable by the secret.

    Without a secret the slot treats the Job as a client.
    """
    return address.model_copy(update={"secret": variables.get(address.secret, "")})


def _prefix(slot: SlotName) -> str:
    return f"{slot.upper()}_"
