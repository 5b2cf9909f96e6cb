"""Keep a request's client as a key: the same for the same client, and nobody's name."""

from pathlib import Path

import pyarrow.dataset as ds
import pytest
from support.asgi_client import call
from support.fitted_models import EXAMPLE

from titlebout.serve.app import Service
from titlebout.serve.clients import Clients
from titlebout.serve.server_settings import ServerSettings
from titlebout.spec import Release

CLIENTS = Clients("titlebout-client", release="r" * 64)


def key(headers: dict[str, str], clients: Clients = CLIENTS) -> str | None:
    """Return the key of a request with these headers."""
    return clients.key(
        {name.lower().encode(): value.encode("latin-1") for name, value in headers.items()}
    )


def test_header_and_cookie_name_the_same_client():
    """Give one key to a client, by header or by cookie.

    The cookie may be anywhere among others; the header counts before the cookie.
    """
    by_header = key({"Titlebout-Client": "ada"})
    assert by_header is not None
    assert "ada" not in by_header
    for cookie in (
        "titlebout-client=ada",
        "a=b; titlebout-client=ada; titlebout-client2=x",
        "a=b;titlebout-client= ada ",
    ):
        assert key({"Cookie": cookie}) == by_header
    assert key({"Titlebout-Client": "ada", "Cookie": "titlebout-client=bob"}) == by_header
    assert key({"Titlebout-Client": "bob"}) != by_header


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Titlebout-Client": ""},
        {"Cookie": "titlebout-client"},
        {"Cookie": "=;;x=titlebout-client=ada"},
    ],
)
def test_a_client_without_a_name_has_no_key(headers):
    """Give no key to a request without a name.

    With a common key, such requests would look like those of one client.
    """
    assert key(headers) is None


def test_another_release_gives_another_key():
    """Give another key in another release, so that nobody can follow a client."""
    assert key({"Titlebout-Client": "ada"}) != key(
        {"Titlebout-Client": "ada"}, Clients("titlebout-client", release="s" * 64)
    )


def test_the_key_is_in_the_table(model: Path, release: Release, tmp_path: Path):
    """Write the key to every row of the request, by the name that the deployment gives.

    A request without the name has None.
    """
    service = Service(model, ServerSettings(release, "green", str(tmp_path), client="X-User"))
    call(service, "POST", "/predict", [EXAMPLE, EXAMPLE], {"X-Request-Id": "one", "x-user": "ada"})
    call(service, "POST", "/predict", EXAMPLE, {"X-Request-Id": "two", "Cookie": "X-User=ada"})
    call(service, "POST", "/predict", EXAMPLE, {"X-Request-Id": "three", "titlebout-client": "ada"})
    service.close()
    clients = {
        row["request_id"]: row["client"] for row in ds.dataset(tmp_path).to_table().to_pylist()
    }
    assert clients["one/0"] == clients["one/1"] == clients["two"]
    assert clients["one/0"] is not None
    assert clients["three"] is None
