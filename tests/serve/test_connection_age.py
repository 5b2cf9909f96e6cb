"""Keep connections open as long as clients like, or, behind a Service, until they are old."""

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
    ("max_age", "header"), [(OLDEST_SECONDS, "close"), (3600, None)], ids=["old", "young"]
)
def test_the_first_answer_on_an_old_connection_asks_for_another(  # noqa: PLR0917
    bento, release, tmp_path, monkeypatch, max_age, header
):
    """An old connection gets a whole answer that says close; a young one stays open."""
    monkeypatch.setenv(MAX_AGE_VARIABLE, str(max_age))
    with serving(bento, release, tmp_path / "slot") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        assert answer(connection) == (200, None)
        time.sleep(OLDEST_SECONDS)
        assert answer(connection) == (200, header)
        # on the connection that http.client opened meanwhile, or on the same
        assert answer(connection) == (200, None)


def answer(connection):
    """Send a row, and return the status and the header `connection`."""
    connection.request("POST", "/predict", ROW)
    response = connection.getresponse()
    response.read()
    return response.status, response.getheader("connection")
