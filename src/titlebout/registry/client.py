"""Read and write runs, versions, aliases and model folders on an environment's MLflow server."""

import logging
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from titlebout.atomic_files import PARTIAL
from titlebout.registry.connection import FORBIDDEN, Connection, connection, status_of
from titlebout.registry.credentials import RELEASER
from titlebout.registry.mlflow_retry import again
from titlebout.registry.mlmodel import PAYLOAD, write_mlflow_model
from titlebout.registry.version import DIGEST_TAG, Version
from titlebout.spec import Contract, Environment, IntegrityError, RegistryError, digest_of_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

log = logging.getLogger(__name__)

# The tag of a run or a version with a random number. It finds what was made if the answer is lost.
CALL_TAG = "made_by_call"
MAX_PARAMS_PER_CALL = 100  # MLflow's limit
Status = Literal["FINISHED", "FAILED", "KILLED"]


class Registry:
    """Work on one MLflow server, as one user.

    Every method raises RegistryError if the server is away, refuses, or does not hold what was
    asked for. A method that may be called twice is called again while the server does not answer
    (`again`). `start_run` and `register` make something. So they first look for what an earlier
    call made whose answer was lost.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    def connect(cls, project: Path, environment: Environment, user: str = RELEASER) -> Self:
        """Return a registry for this user, after waiting for a server that is busy or moves.

        MLflow is imported with the first call only. Raise RegistryError at once if the user has no
        account there, or if no server runs on this machine.
        """
        user_connection = connection(project, environment, user)
        user_connection.require_up()
        return cls(user_connection)

    # -- runs --

    @again
    def ensure_model(self, name: str) -> None:
        """Make the experiment and the registered model of that name, unless they exist."""
        with self._asking("create the experiment and the registered model"):
            if self._client.get_experiment_by_name(name) is None:
                self._client.create_experiment(name)
            if not self._has_model(name):
                self._client.create_registered_model(name)

    def start_run(self, model: str, name: str, tags: Mapping[str, str]) -> str:
        """Start a run in the model's experiment, and return its id.

        It is made once, also if an answer of the server is lost.
        """
        return str(self._start_once(model, name, {**tags, CALL_TAG: secrets.token_hex(8)}))

    @again
    def _start_once(self, model: str, name: str, tags: Mapping[str, str]) -> str:
        with self._connection.making(f"write runs of {model}"):
            experiment = self._client.get_experiment_by_name(model)
            if experiment is None:
                raise self._absent(
                    f"experiment {model}", next_step="create it as the releaser: `ensure_model`"
                )
            found = self._client.search_runs(
                [experiment.experiment_id], f"tags.{CALL_TAG} = '{tags[CALL_TAG]}'", max_results=1
            )
            run = (
                found[0]
                if found
                else self._client.create_run(
                    experiment.experiment_id, run_name=name, tags=dict(tags)
                )
            )
            return str(run.info.run_id)

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log the parameters, in as many calls as MLflow's limit needs."""
        from mlflow.entities import Param

        rows = [Param(key, str(value)) for key, value in params.items()]
        for first in range(0, len(rows), MAX_PARAMS_PER_CALL):
            self._log_batch(run_id, params=rows[first : first + MAX_PARAMS_PER_CALL])

    def log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        """Log the metrics, all with the same time."""
        from mlflow.entities import Metric

        # In milliseconds since the epoch. It is the same when the call is made again.
        now_ms = int(time.time() * 1000)
        self._log_batch(
            run_id, metrics=[Metric(key, value, now_ms, 0) for key, value in metrics.items()]
        )

    @again
    def _log_batch(self, run_id: str, **rows: Any) -> None:
        with self._asking("write runs"):
            self._client.log_batch(run_id, synchronous=True, **rows)

    @again
    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        """Upload the file into a folder of the run's artifacts; the empty name is their root."""
        with self._asking("write runs"):
            self._artifacts(self._client.get_run(run_id).info.artifact_uri).log_artifact(
                str(path), folder or None
            )

    @again
    def finish_run(self, run_id: str, status: Status = "FINISHED") -> None:
        """End the run with this status."""
        with self._asking("write runs"):
            self._client.set_terminated(run_id, status)

    @again
    def download_artifact(self, run_id: str, path: str, to: Path) -> Path:
        """Download a file or folder of a run into the folder `to`, and return its path."""
        to.mkdir(parents=True, exist_ok=True)
        with self._asking("read runs"):
            return Path(
                self._artifacts(self._client.get_run(run_id).info.artifact_uri).download_artifacts(
                    path, str(to)
                )
            )

    # -- versions --

    def register(
        self, model: str, run_id: str, folder: Path, contract: Contract, tags: Mapping[str, str]
    ) -> Version:
        """Register a new version that holds the model folder, and return it.

        Its tag `model_digest` is the folder's digest. It is made once, also if an answer is lost.
        """
        digest = digest_of_folder(folder)
        return self._register_once(
            model,
            run_id,
            folder,
            contract,
            {**tags, DIGEST_TAG: digest, CALL_TAG: secrets.token_hex(8)},
        )

    @again
    def _register_once(
        self, model: str, run_id: str, folder: Path, contract: Contract, tags: Mapping[str, str]
    ) -> Version:
        from mlflow.entities import LoggedModelOutput

        with (
            self._connection.making(f"register versions of {model}"),
            tempfile.TemporaryDirectory() as work,
        ):
            if found := self._client.search_model_versions(
                f"name = '{model}' and tags.{CALL_TAG} = '{tags[CALL_TAG]}'"
            ):
                return self._version(found[0])
            experiment = self._client.get_run(run_id).info.experiment_id
            logged = self._client.create_logged_model(
                experiment, name=model, source_run_id=run_id, tags=tags, model_type=contract.task
            )
            write_mlflow_model(
                Path(work),
                folder,
                contract,
                digest=tags[DIGEST_TAG],
                model_id=logged.model_id,
                run_id=run_id,
            )
            self._artifacts(logged.artifact_location).log_artifacts(work)
            self._client.finalize_logged_model(logged.model_id, "READY")
            self._client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
            source = f"models:/{logged.model_id}"
            version = self._client.create_model_version(
                model,
                source,
                run_id=run_id,
                tags=tags,
                model_id=logged.model_id,
                await_creation_for=0,
            )
            return self._version(version)

    @again
    def find(
        self,
        model: str,
        *,
        alias: str | None = None,
        version: str | None = None,
        digest: str | None = None,
    ) -> Version | None:
        """Return the version with that alias, number or model digest, or None.

        Give exactly one of the three. If several versions have the digest, return the newest.
        """
        from mlflow.exceptions import MlflowException

        if sum(key is not None for key in (alias, version, digest)) != 1:
            raise TypeError("find() takes exactly one of alias, version and digest")
        with self._asking(f"read versions of {model}"):
            try:
                if alias is not None:
                    return self._version(self._client.get_model_version_by_alias(model, alias))
                if version is not None:
                    return self._version(self._client.get_model_version(model, version))
                return self._find_digest(model, digest or "")
            except MlflowException as error:
                if _is_absent(error) or (
                    status_of(error) == FORBIDDEN and not self._has_model(model)
                ):
                    return None
                raise

    @again
    def newest(self, model: str) -> Version | None:
        """Return the version that was registered last, or None."""
        with self._asking(f"read versions of {model}"):
            found = self._client.search_model_versions(
                f"name = '{model}'", order_by=["version_number DESC"], max_results=1
            )
            return self._version(found[0]) if found else None

    @again
    def tag(self, version: Version, **tags: str) -> None:
        """Set these tags of the version; its other tags stay."""
        with self._asking(f"tag versions of {version.model}"):
            for key, value in tags.items():
                self._client.set_model_version_tag(version.model, version.version, key, value)

    @again
    def set_alias(self, model: str, alias: str, version: Version) -> None:
        """Let the alias point to this version, and to no other."""
        with self._asking(f"move aliases of {model}"):
            self._client.set_registered_model_alias(model, alias, version.version)
        log.info("alias %s of %s is version %s", alias, model, version.version)

    @again
    def clear_alias(self, model: str, alias: str) -> None:
        """Remove the alias. An alias that points to nothing is no error."""
        with self._asking(f"move aliases of {model}"):
            self._client.delete_registered_model_alias(model, alias)

    @again
    def download(self, version: Version, to: Path) -> Path:
        """Download the version's model folder to `to`, and return `to`.

        Raise IntegrityError unless its content has the version's digest.
        """
        if to.exists() and digest_of_folder(to) == version.digest:
            return to
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, suffix=PARTIAL) as work:
            folder = self._fetch(version, Path(work))
            self._require_digest(version, found=digest_of_folder(folder))
            if to.exists():
                shutil.rmtree(to)
            folder.rename(to)
        return to

    # -- private --

    @cached_property
    def _client(self) -> "MlflowClient":
        return self._connection.client()

    def _asking(self, what: str) -> Any:
        return self._connection.asking(what)

    def _has_model(self, name: str) -> bool:
        """Tell whether the registered model exists. Raise RegistryError if the user may not know.

        MLflow answers "permission denied" for a model that does not exist. Only a user who may read
        every model can tell the two apart.
        """
        found = self._connection.rest("GET", "3.0/mlflow/users/current/permissions") or {}
        if not any(
            (one["resource_type"], one["resource_pattern"]) == ("registered_model", "*")
            for one in found.get("permissions", ())
        ):
            raise self._connection.refusal(
                f"read the registered model {name}", status=FORBIDDEN, message=""
            )
        return bool(self._client.search_registered_models(f"name = '{name}'", max_results=1))

    def _find_digest(self, model: str, digest: str) -> Version | None:
        found = self._client.search_model_versions(
            f"name = '{model}' and tags.{DIGEST_TAG} = '{digest}'", order_by=["version_number DESC"]
        )
        return self._version(found[0]) if found else None

    def _fetch(self, version: Version, to: Path) -> Path:
        with self._asking(f"download versions of {version.model}"):
            uri = self._client.get_model_version_download_uri(version.model, version.version)
            return Path(self._artifacts(uri).download_artifacts(PAYLOAD, str(to)))

    def _artifacts(self, uri: str) -> "ArtifactRepository":
        """Return the artifacts at this URI, read and written with this connection's credentials.

        The client's own artifact calls keep one repository per run in the process. It has the
        credentials of the user who called first.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(uri, tracking_uri=self._connection.uri)

    @staticmethod
    def _version(found: "ModelVersion") -> Version:
        aliases = tuple(sorted(found.aliases or ()))
        return Version(
            model=found.name,
            version=str(found.version),
            run_id=found.run_id or "",
            tags=dict(found.tags or {}),
            aliases=aliases,
        )

    @staticmethod
    def _require_digest(version: Version, *, found: str) -> None:
        if found != version.digest:
            raise IntegrityError(
                f"version {version.version} of {version.model}",
                expected=f"model digest {version.digest}",
                found=f"digest {found}: the stored artifact was altered",
                next_step="restore the artifact from a backup, or train and release again; "
                "never release this version",
            )

    def _absent(self, what: str, *, next_step: str) -> RegistryError:
        return RegistryError(
            f"{self._connection.environment}'s MLflow server at {self._connection.address}",
            expected=what,
            found="none",
            next_step=next_step,
        )


def _is_absent(error: Any) -> bool:
    """Tell whether MLflow's error says that a model, version or alias does not exist.

    It is RESOURCE_DOES_NOT_EXIST for a model or a version, INVALID_PARAMETER_VALUE for an alias.
    """
    return bool(
        error.error_code == "RESOURCE_DOES_NOT_EXIST"
        or ("alias" in str(error) and "not found" in str(error))
    )
