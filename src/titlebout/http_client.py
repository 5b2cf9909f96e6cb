"""Send one HTTP request: the client of every call here but load generation.

It is Python's own, since a rollback may not wait for a heavier one to be imported. It follows the
proxy variables, and it is installed wherever Python is.
"""

import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple


class Answer(NamedTuple):
    """Hold a server's answer; `headers` are found in upper and lower case alike."""

    status: int
    body: bytes
    headers: Message

    @property
    def is_success(self) -> bool:
        """Tell whether the status is one of 200 to 299."""
        return 200 <= self.status < 300


def send_request(
    url: str,
    *,
    seconds: float,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return the answer, whatever its status; redirects are followed.

    Raises TimeoutError if the server takes longer than `seconds`, another OSError if it does not
    answer, and ValueError for a header that cannot be sent.
    """
    request = urllib.request.Request(  # noqa: S310  callers' addresses are http and https
        url, data=body, headers=dict(headers or {}), method=method
    )
    try:
        with _open(request, seconds) as response:
            return Answer(_status(response), response.read(), response.headers)
    except HTTPException as error:
        raise ConnectionError(f"no whole HTTP answer: {error!r}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise error.reason from error
        raise


def _open(request: urllib.request.Request, seconds: float) -> HTTPResponse | urllib.error.HTTPError:
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=seconds)  # noqa: S310  as above
    except urllib.error.HTTPError as error:  # an answer, too
        return error
    return response


def _status(response: HTTPResponse | urllib.error.HTTPError) -> int:
    return response.code if isinstance(response, urllib.error.HTTPError) else response.status
