"""Tell a person what to do about an MLflow server, on this machine and on a cluster."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from titlebout.registry.connection import Connection
from titlebout.spec import RegistryError

NEXT = {  # what the server does: its status, then what helps on this machine and on a cluster
    "refuses the password": (
        401,
        "credentials.yaml",
        "`titlebout team apply TEAM` and use the Secret mlflow-user-releaser",
    ),
    "fails": (500, "logs/mlflow-prod.log", "`kubectl logs deployment/mlflow`"),
    "talks no JSON": (200, "logs/mlflow-prod.log", "`kubectl logs deployment/mlflow`"),
}


@pytest.fixture
def server():
    """Answer every GET with `status` and a page."""

    class PageHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format, *args) -> None:
            """Write no log; no test reads it."""

    http_server = HTTPServer(("127.0.0.1", 0), PageHandler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    yield http_server
    http_server.shutdown()
    http_server.server_close()


def next_step_of_call(port: int) -> str:
    """Return the next step of the error that the call raises."""
    connection = Connection(
        environment="prod", address=f"http://127.0.0.1:{port}", user="releaser", password="one"
    )
    with pytest.raises(RegistryError) as caught:
        connection.rest("GET", "2.0/mlflow/users/current")
    return caught.value.next_step


@pytest.mark.parametrize("what", NEXT)
def test_a_server_that_answers_wrongly_has_a_next_step_in_both_places(server, what):
    """Name the file on this machine and the object on a cluster."""
    server.status, on_this_machine, on_a_cluster = NEXT[what]
    next_step = next_step_of_call(server.server_port)
    assert on_this_machine in next_step
    assert on_a_cluster in next_step


def test_a_server_that_is_away_has_a_next_step_in_both_places(server):
    """Name a command for this machine and one for a cluster, which has no `titlebout up`."""
    server.shutdown()
    server.server_close()
    next_step = next_step_of_call(server.server_port)
    assert "run `titlebout up prod` on this machine" in next_step
    assert "`kubectl get pods -l titlebout.io/part=mlflow`" in next_step
