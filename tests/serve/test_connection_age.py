"""Connections that clients keep open: as long as they like, or, behind a Service, until they are old."""

import http.client
import json
import time

import pytest
from support.bento_process import serving
from support.fitted_models import EXAMPLE

from titlebout.serve.connection_age import MAX_AGE_VARIABLE

pytestmark = pytest.mark.slow
OLDEST_SECONDS = 0.4
ROW = json.dumps(EXAMPLE).encode()


@pytest.mark.parametrize(
    ("oldest", "says"), [(OLDEST_SECONDS, "close"), (3600, None)], ids=["old", "young"]
)
def test_the_first_answer_on_an_old_connection_asks_for_another(  # noqa: PLR0917
    bento, release, tmp_path, monkeypatch, oldest, says
):
    """Young, it stays open; old, the answer is whole and says close."""
    monkeypatch.setenv(MAX_AGE_VARIABLE, str(oldest))
    with serving(bento, release, tmp_path / "slot") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        assert answer(connection) == (200, None)
        time.sleep(OLDEST_SECONDS)
        assert answer(connection) == (200, says)
        assert answer(connection) == (
            200,
            None,
        )  # on the connection that http.client opened meanwhile, or on the same


def answer(connection):
    connection.request("POST", "/predict", ROW)
    response = connection.getresponse()
    response.read()
    return response.status, response.getheader("connection")
