"""Start embedded servers once, find them again, and report a missing one within seconds."""

import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from titlebout import processes
from titlebout.registry import Registry, server_status, start_servers
from titlebout.registry.connection import Connection
from titlebout.registry.embedded_servers import is_embedded
from titlebout.spec import Environment, RegistryError, load_environment
from titlebout.storage import state_home


def with_mlflow_at(environment: Environment, address: str) -> Environment:
    """Return the environment with its MLflow server at this address."""
    return Environment.model_validate(environment.model_dump() | {"mlflow": address})


def test_starting_what_runs_changes_nothing(mlflow_server: Path):
    """Find both servers at a second `up`, and leave them as they are."""
    environments = [load_environment(mlflow_server, name) for name in ("staging", "prod")]
    before = [server_status(mlflow_server, environment) for environment in environments]
    start_servers(mlflow_server, environments, progress=print)
    assert [server_status(mlflow_server, environment) for environment in environments] == before
    assert {status["state"] for status in before} == {"running"}


def test_a_server_whose_starter_was_killed_is_found(mlflow_server: Path):
    """Adopt a server without a pid file; its port is not another program's."""
    environment = load_environment(mlflow_server, "staging")
    before = server_status(mlflow_server, environment)
    processes.pid_path("mlflow-staging", state_home(mlflow_server)).unlink()
    assert server_status(mlflow_server, environment)["state"] == "stopped"
    start_servers(mlflow_server, [environment], progress=print)
    assert server_status(mlflow_server, environment) == before


def test_each_server_has_a_database_and_artifacts_of_its_own(mlflow_server: Path):
    """Share nothing between environments but the program."""
    homes = [state_home(mlflow_server) / "mlflow" / name for name in ("staging", "prod")]
    for home in homes:
        assert {"mlflow.db", "auth.db"} <= {path.name for path in home.iterdir()}


def test_the_server_is_one_process_on_this_machine_only(mlflow_server: Path):
    """Run no second process, and listen on the loopback address alone."""
    process = processes.running("mlflow-staging", state_home(mlflow_server))
    assert process is not None
    assert process.children() == []
    assert {c.laddr.ip for c in process.net_connections() if c.status == "LISTEN"} == {"127.0.0.1"}


def test_another_hosts_name_is_refused(mlflow_server: Path):
    """Refuse a page elsewhere that rebinds a name of its own to this machine."""
    port = urlsplit(load_environment(mlflow_server, "staging").mlflow).port
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as client:
        client.request("GET", "/api/2.0/mlflow/users/current", headers={"Host": "evil.example"})
        assert client.getresponse().status == 403


def test_a_port_that_another_program_holds_is_named(mlflow_server: Path):
    """Name the port in the error, and start no server."""
    with closing(socket.socket()) as other_program:
        other_program.bind(("127.0.0.1", 0))
        other_program.listen()
        port = other_program.getsockname()[1]
        dev = Environment(name="dev", mlflow=f"http://127.0.0.1:{port}", storage="s")
        with pytest.raises(RegistryError, match=f"expected port {port} free"):
            start_servers(mlflow_server, [dev], progress=print)
    assert server_status(mlflow_server, dev)["state"] == "stopped"


def test_a_server_that_is_away_is_missed_at_once(mlflow_server: Path):
    """Fail to connect, naming the address and the command that starts the server."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    away = with_mlflow_at(load_environment(mlflow_server, "staging"), address)
    with pytest.raises(
        RegistryError,
        match=rf"{address}: expected an answer; found none\. Next: run `titlebout up staging`",
    ):
        Registry.connect(mlflow_server, away)


@pytest.mark.timeout(60)
def test_a_server_that_leaves_during_the_work_is_missed_in_seconds(mlflow_server: Path):
    """End MLflow's retries in seconds, and say what to do.

    MLflow itself would wait for four minutes. The test's limit is one.
    """
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    gone = Registry(
        Connection(
            environment="staging", address=address, user="releaser", password="does not matter"
        )
    )
    with pytest.raises(RegistryError, match="Next: run `titlebout up staging`"):
        gone.find("flights", alias="champion")


def test_a_server_elsewhere_is_not_started(mlflow_server: Path):
    """Start only servers whose address is of this machine."""
    remote = with_mlflow_at(load_environment(mlflow_server, "prod"), "https://mlflow.example:443")
    assert not is_embedded(remote)
    start_servers(mlflow_server, [remote], progress=print)
