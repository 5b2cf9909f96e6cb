"""Read and move the registry's aliases over REST alone.

MLflow's client would take 130 MB, and a registrar has no other use for it.
"""

from typing import Any
from urllib.parse import urlencode

from titlebout.registry import DIGEST_TAG, Connection, Version

MODELS = "2.0/mlflow/registered-models"
VERSIONS = "2.0/mlflow/model-versions"


class RestAliases:
    """Read and move aliases on one MLflow server.

    Every method raises RegistryError if the server is away or refuses.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(
        self, model: str, *, alias: str | None = None, digest: str | None = None
    ) -> Version | None:
        """Return the version with that alias, or the newest with that model digest, or None.

        Give exactly one of the two.
        """
        if alias is None:
            return self._newest(model, digest or "")
        answer = self._get(f"{MODELS}/get", name=model) or {}
        aliases = {
            row["alias"]: row["version"]
            for row in answer.get("registered_model", {}).get("aliases", ())
        }
        if alias not in aliases:
            return None
        found = self._get(f"{VERSIONS}/get", name=model, version=aliases[alias])
        return _version(found["model_version"]) if found else None

    def set_alias(self, model: str, alias: str, version: Version) -> None:
        """Let the alias point to this version."""
        self._connection.rest(
            "POST", f"{MODELS}/alias", {"name": model, "alias": alias, "version": version.version}
        )

    def clear_alias(self, model: str, alias: str) -> None:
        """Remove the alias."""
        self._connection.rest("DELETE", f"{MODELS}/alias", {"name": model, "alias": alias})

    def tag(self, version: Version, **tags: str) -> None:
        """Set these tags of the version."""
        for key, value in tags.items():
            body = {"name": version.model, "version": version.version, "key": key, "value": value}
            self._connection.rest("POST", f"{VERSIONS}/set-tag", body)

    def _newest(self, model: str, digest: str) -> Version | None:
        search_filter = f"name = '{model}' and tags.{DIGEST_TAG} = '{digest}'"
        found = (
            self._get(
                f"{VERSIONS}/search",
                filter=search_filter,
                order_by="version_number DESC",
                max_results="1",
            )
            or {}
        )
        return next((_version(row) for row in found.get("model_versions", ())), None)

    def _get(self, path: str, **query: str) -> Any | None:
        return self._connection.rest("GET", f"{path}?{urlencode(query)}")


def _version(found: dict[str, Any]) -> Version:
    tags = {row["key"]: row.get("value", "") for row in found.get("tags", ())}
    return Version(
        model=found["name"],
        version=str(found["version"]),
        run_id=found.get("run_id", ""),
        tags=tags,
    )
