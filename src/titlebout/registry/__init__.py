"""The one importing room of MLflow: servers, accounts, runs, versions and aliases."""

from titlebout.registry.access import prepare_access
from titlebout.registry.client import Registry
from titlebout.registry.credentials import RELEASER
from titlebout.registry.servers import server_status, start_servers, stop_servers
from titlebout.registry.version import Version

__all__ = ["RELEASER", "Registry", "Version", "prepare_access", "server_status", "start_servers", "stop_servers"]
