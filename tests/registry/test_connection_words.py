"""What a person is told to do about an MLflow server: on this machine, and on a cluster, where the same code runs in pods."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from titlebout.registry.connection import Connection
from titlebout.spec import RegistryError

NEXT = {  # what the server does: its status, then what both places are told
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
    """Answers every GET with `status` and a page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format, *args) -> None:
            """The tests read none."""

    found = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


def ask(port: int) -> str:
    connection = Connection(
        environment="prod", address=f"http://127.0.0.1:{port}", user="releaser", password="one"
    )
    with pytest.raises(RegistryError) as caught:
        connection.rest("GET", "2.0/mlflow/users/current")
    return caught.value.next_step


@pytest.mark.parametrize("what", NEXT)
def test_a_server_that_answers_wrongly_has_a_next_step_in_both_places(server, what):
    """One sentence names the file here and the object there."""
    server.status, here, there = NEXT[what]
    said = ask(server.server_port)
    assert here in said
    assert there in said


def test_a_server_that_is_away_has_a_next_step_in_both_places(server):
    """Whoever reads it in a pod's log has no use for `titlebout up`."""
    server.shutdown()
    server.server_close()
    said = ask(server.server_port)
    assert "run `titlebout up prod` on this machine" in said
    assert "`kubectl get pods -l titlebout.io/part=mlflow`" in said
