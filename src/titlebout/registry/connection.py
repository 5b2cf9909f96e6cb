"""Connect a user to one MLflow server: address, credentials, waiting, and errors in plain words."""

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

# MLflow itself retries 7 times, so it takes 4 minutes to report that a server is away.
# A person's own setting is kept.
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
CLIENT_SETTINGS = {
    RETRIES: "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",  # seconds, doubling
    # seconds; uploads of large models through the server included
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # By default, the server offers addresses of its object store. Only its namespace reaches them.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
OK, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404
# A proxy or gateway answers with these when the server behind it does not answer.
GATEWAY_STATUSES = frozenset({502, 503, 504})
REST_SECONDS = 30.0

T = TypeVar("T")


class Connection(Record):
    """Describe how a user reaches a server.

    `answer_seconds` is the limit for one answer to `rest`. `patience_seconds` is how long a call
    that may be made twice waits for the server.
    """

    environment: str
    address: str
    user: str
    password: str
    answer_seconds: float = REST_SECONDS
    patience_seconds: float = mlflow_retry.ONCE_SECONDS

    @property
    def uri(self) -> str:
        """Return the address with the credentials in it.

        MLflow's variables for credentials hold for a whole process. These hold for one client.
        """
        parts = urlsplit(self.address)
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return parts._replace(netloc=f"{credentials}@{parts.netloc}").geturl()

    def client(self) -> "MlflowClient":
        """Return MLflow's client for this user. Raise RegistryError if it cannot be made."""
        for name, value in CLIENT_SETTINGS.items():
            os.environ.setdefault(name, value)
        # the URL that it prints at a run's end has the password in it
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
        from mlflow import MlflowClient

        with self.asking("connect"):
            return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def rest(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any | None:
        """Make a call that MLflow's client does not make, or only after importing the server.

        Return the JSON of the answer, or None if a GET finds nothing.
        """
        call = partial(self._rest, method, path, body)
        return self.patiently(call) if method == "GET" else call()

    def patiently(self, do: Callable[[], T]) -> T:
        """Return what `do` returns; call it again while the server does not answer.

        Raise RegistryAway after `patience_seconds`.
        """
        return mlflow_retry.patiently(do, address=self.address, seconds=self.patience_seconds)

    def require_up(self) -> None:
        """Wait for the server. Raise RegistryAway if it is not healthy in time."""
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
        message = answer.body.decode(errors="replace")
        if not answer.is_success:
            raise self.refusal(call, status=answer.status, message=message)
        try:
            return json.loads(answer.body or b"{}")
        except ValueError as error:  # a proxy's page, say
            raise self.refusal(call, status=OK, message=f"no JSON: {message[:80]}") from error

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
        """Raise RegistryError for whatever MLflow raises inside.

        `what` continues the sentence "the right to …".
        """
        import requests
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, requests.RequestException) as error:
            message, cause = str(error), _without_passwords(error)
            raise (
                self.away()
                if _is_unanswered(error)
                else self.refusal(what, status=status_of(error), message=message)
            ) from cause

    @contextmanager
    def making(self, what: str) -> Iterator[None]:
        """Do as `asking` for a call that makes something: MLflow's client sends it only once."""
        before = os.environ.get(RETRIES)
        os.environ[RETRIES] = "0"
        try:
            with self.asking(what):
                yield
        finally:
            os.environ.pop(RETRIES)
            if before is not None:
                os.environ[RETRIES] = before

    def refusal(self, what: str, *, status: int | None, message: str) -> RegistryError:
        """Return the error for an answer with this status.

        The status is None where MLflow does not tell it. `message` is the server's message.
        """
        subject = f"{self.environment}'s MLflow server at {self.address}"
        if status == UNAUTHENTICATED:
            return RegistryError(
                subject,
                expected=f"the password of {self.user}",
                found="the server does not accept it",
                next_step="restore the credentials.yaml that was made with the server's accounts; "
                "on a cluster run `titlebout team apply TEAM` and use the Secret "
                f"{user_secret(self.user)}",
            )
        if status == FORBIDDEN:
            return RegistryError(
                subject,
                expected=f"{self.user} to have the right to {what}",
                found="permission denied",
                next_step="use an account that has it, or ask for it in "
                f"environments/{self.environment}/environment.yaml",
            )
        if status in GATEWAY_STATUSES:
            return self.away()
        found = " ".join(_remove_password(message).split())
        return RegistryError(
            subject,
            expected=f"to {what}",
            found=found,
            next_step=f"read the server's log: logs/mlflow-{self.environment}.log, "
            "on a cluster `kubectl logs deployment/mlflow`",
        )

    def away(self) -> RegistryAway:
        """Return the error for a server that does not answer."""
        return RegistryAway(
            f"{self.environment}'s MLflow server at {self.address}",
            expected="an answer",
            found="none",
            next_step=f"run `titlebout up {self.environment}` on this machine; "
            f"on a cluster see `kubectl get pods -l {LABEL_PART}=mlflow`",
        )


def connection(project: Path, environment: Environment, user: str) -> Connection:
    """Return the user's connection. Raise RegistryError if the user has no account there."""
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
    """Return the HTTP status of the server's answer.

    Return None if there was no answer, or if MLflow does not tell its status.
    """
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
    """Tell whether the server gave no answer. MLflow wraps the error of requests in its own."""
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


def _without_passwords(error: Exception) -> Exception:
    """Return the error without passwords in its text.

    A cause is printed with the traceback, and MLflow's messages hold the whole URI.
    """
    error.args = tuple(_remove_password(a) if isinstance(a, str) else a for a in error.args)
    if isinstance(message := getattr(error, "message", None), str):
        error.message = _remove_password(message)  # type: ignore[attr-defined]
    return error


def _remove_password(text: str) -> str:
    return re.sub(r"(https?://)[^/@\s]+@", r"\1", text)
