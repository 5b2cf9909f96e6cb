"""Start MLflow servers, and read and write accounts, runs, versions and aliases.

No other room imports MLflow.
"""

from titlebout.registry.access import prepare_access
from titlebout.registry.client import Registry
from titlebout.registry.connection import Connection
from titlebout.registry.credentials import RELEASER
from titlebout.registry.embedded_servers import server_status, start_servers, stop_servers
from titlebout.registry.version import DIGEST_TAG, Version

__all__ = [
    "DIGEST_TAG",
    "RELEASER",
    "Connection",
    "Registry",
    "Version",
    "prepare_access",
    "server_status",
    "start_servers",
    "stop_servers",
]
