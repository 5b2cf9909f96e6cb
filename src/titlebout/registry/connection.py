"""A user's way to one MLflow server: address, credentials, patience, and the house's words for what goes wrong there."""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from titlebout import processes
from titlebout.http_client import Answer, send_request
from titlebout.registry import mlflow_retry
from titlebout.registry.credentials import password_of
from titlebout.spec import Environment, Record, RegistryAway, RegistryError
from titlebout.spec.object_names import LABEL_PART, user_secret

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's own patience is 7 retries, which is 4 minutes until a server that is away is called away. A person's own setting is kept.
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
CLIENT_SETTINGS = {
    RETRIES: "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",  # seconds, doubling
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",  # seconds; uploads of large models through the server included
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Left alone, the server offers addresses of its object store, which only its own namespace can reach.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
OK, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404
GATEWAY_STATUSES = frozenset(
    {502, 503, 504}
)  # what stands in front of a server says that it does not answer
REST_SECONDS = 30.0

T = TypeVar("T")


class Connection(Record):
    """`answer_seconds`: for one answer to `rest`. `patience_seconds`: how long a call that may be made twice waits for the server."""

    environment: str
    address: str
    user: str
    password: str
    answer_seconds: float = REST_SECONDS
    patience_seconds: float = mlflow_retry.ONCE_SECONDS

    @property
    def uri(self) -> str:
        """The address with the credentials in it: MLflow's variables for them hold for a whole process, this for one client."""
        parts = urlsplit(self.address)
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return parts._replace(netloc=f"{credentials}@{parts.netloc}").geturl()

    def client(self) -> "MlflowClient":
        for name, value in CLIENT_SETTINGS.items():
            os.environ.setdefault(name, value)
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = (
            "true"  # the URL that it prints at a run's end has the password in it
        )
        from mlflow import MlflowClient

        with self.asking("connect"):
            return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def rest(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any | None:
        """A call that MLflow's client does not make, or only after importing the server; None if a GET finds no such thing."""
        call = partial(self._rest, method, path, body)
        return self.patiently(call) if method == "GET" else call()

    def patiently(self, do: Callable[[], T]) -> T:
        """Return what `do` returns, done again while the server does not answer; raises RegistryAway when the patience is over."""
        return mlflow_retry.patiently(do, address=self.address, seconds=self.patience_seconds)

    def require_up(self) -> None:
        """Wait for the server; raises RegistryAway if it is not healthy in time."""
        if not processes.answers(f"{self.address}/health"):
            self.patiently(self._require_health)

    def _require_health(self) -> None:
        if not processes.answers(f"{self.address}/health"):
            raise self.away()

    def _rest(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any | None:
        answer = self._answer(method, path, body)
        if answer.status == NOT_FOUND and method == "GET":
            return None
        return self._json_of(answer, f"{method} {path}")

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        try:
            return send_request(
                f"{self.address}/api/{path}",
                seconds=self.answer_seconds,
                method=method,
                body=json.dumps(body).encode() if body is not None else None,
                headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
            )
        except OSError as error:
            raise self.away() from error

    def _json_of(self, answer: Answer, call: str) -> Any:
        said = answer.body.decode(errors="replace")
        if not answer.is_success:
            raise self.refusal(call, status=answer.status, said=said)
        try:
            return json.loads(answer.body or b"{}")
        except ValueError as error:  # a proxy's page, say
            raise self.refusal(call, status=OK, said=f"no JSON: {said[:80]}") from error

    def is_accepted(self) -> bool:
        """Tell whether the server knows the user by this password."""
        return self.patiently(self._is_accepted)

    def _is_accepted(self) -> bool:
        path = "2.0/mlflow/users/current"
        answer = self._answer("GET", path, None)
        if answer.status in (UNAUTHENTICATED, NOT_FOUND):
            return False
        return self._json_of(answer, f"GET {path}") is not None

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Raises RegistryError for whatever MLflow raises inside; `what` continues the sentence 'the right to …'."""
        import requests
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, requests.RequestException) as error:
            said, cause = str(error), _scrubbed(error)
            raise (
                self.away()
                if _is_unanswered(error)
                else self.refusal(what, status=status_of(error), said=said)
            ) from cause

    @contextmanager
    def making(self, what: str) -> Iterator[None]:
        """As `asking`, for calls that make something: MLflow's client, which sends every call again, sends these once."""
        before = os.environ.get(RETRIES)
        os.environ[RETRIES] = "0"
        try:
            with self.asking(what):
                yield
        finally:
            os.environ.pop(RETRIES)
            if before is not None:
                os.environ[RETRIES] = before

    def refusal(self, what: str, *, status: int | None, said: str) -> RegistryError:
        """What it means that the server answered so; the status is None where MLflow does not tell it."""
        subject = f"{self.environment}'s MLflow server at {self.address}"
        if status == UNAUTHENTICATED:
            return RegistryError(
                subject,
                expected=f"the password of {self.user}",
                found="the server does not accept it",
                next_step="restore the credentials.yaml that was made with the server's accounts; on a cluster run "
                f"`titlebout team apply TEAM` and use the Secret {user_secret(self.user)}",
            )
        if status == FORBIDDEN:
            return RegistryError(
                subject,
                expected=f"{self.user} to have the right to {what}",
                found="permission denied",
                next_step=f"use an account that has it, or ask for it in environments/{self.environment}/environment.yaml",
            )
        if status in GATEWAY_STATUSES:
            return self.away()
        found = " ".join(_without_password(said).split())
        return RegistryError(
            subject,
            expected=f"to {what}",
            found=found,
            next_step=f"read the server's log: logs/mlflow-{self.environment}.log, on a cluster `kubectl logs deployment/mlflow`",
        )

    def away(self) -> RegistryAway:
        return RegistryAway(
            f"{self.environment}'s MLflow server at {self.address}",
            expected="an answer",
            found="none",
            next_step=f"run `titlebout up {self.environment}` on this machine; on a cluster see `kubectl get pods -l {LABEL_PART}=mlflow`",
        )


def connection(project: Path, environment: Environment, user: str) -> Connection:
    """Raises RegistryError if the user has no account there."""
    return Connection(
        environment=environment.name,
        address=environment.mlflow.rstrip("/"),
        user=user,
        password=password_of(project, environment, user),
        patience_seconds=mlflow_retry.LOCAL_SECONDS
        if environment.kubernetes is None
        else mlflow_retry.CLUSTER_SECONDS,
    )


def status_of(error: Exception) -> int | None:
    """The HTTP status of the server's answer; None if there was none, or if MLflow does not tell."""
    response = getattr(error, "response", None)
    if response is not None:
        return int(response.status_code)
    by_name = {
        "PERMISSION_DENIED": FORBIDDEN,
        "CUSTOMER_UNAUTHORIZED": UNAUTHENTICATED,
        "UNAUTHENTICATED": UNAUTHENTICATED,
    }
    return by_name.get(getattr(error, "error_code", ""))


def _is_unanswered(error: BaseException | None) -> bool:
    """Tell whether requests found no answer; MLflow puts its own error around that."""
    import requests

    if isinstance(error, requests.RequestException) and error.response is not None:
        return error.response.status_code in GATEWAY_STATUSES
    silent = (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.RetryError,
        requests.exceptions.ChunkedEncodingError,
    )
    return isinstance(error, silent) or (
        error is not None and _is_unanswered(error.__cause__ or error.__context__)
    )


def _scrubbed(error: Exception) -> Exception:
    """A cause is printed with the traceback, and MLflow's messages name the whole URI."""
    error.args = tuple(_without_password(a) if isinstance(a, str) else a for a in error.args)
    if isinstance(said := getattr(error, "message", None), str):
        error.message = _without_password(said)  # type: ignore[attr-defined]
    return error


def _without_password(text: str) -> str:
    return re.sub(r"(https?://)[^/@\s]+@", r"\1", text)
