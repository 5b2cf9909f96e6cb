"""Share fixtures of several rooms: a project whose MLflow servers run, and a fake API server."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.fake_api_server import ApiServer, running

from titlebout.registry import prepare_access, start_servers, stop_servers
from titlebout.spec import load_environment

for variable in ("TITLEBOUT_HOME", "TITLEBOUT_PROJECT", "MLFLOW_TRACKING_URI"):
    os.environ.pop(variable, None)  # a developer's own state must not be reached from tests

# The servers that run: one where people read and edit, one where they have no account.
# `dev` grants what `staging` does, and is left out.
RUNNING = {"staging": "{data-scientist: read, ml-engineer: edit}", "prod": "{}"}


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory):
    """Start the servers of `staging` and `prod` with their accounts, and yield the project."""
    project = tmp_path_factory.mktemp("project")
    (project / "models").mkdir()
    for name, access in RUNNING.items():
        write_environment(project, name, access=access)
    environments = [load_environment(project, name) for name in RUNNING]
    try:
        start_servers(project, environments, progress=print)
        prepare_access(project, environments, progress=print)
        yield project
    finally:
        stop_servers(project, environments)


@pytest.fixture
def api_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """Start a fake API server, which Helm and the library reach by the kubeconfig's one context."""
    with running() as server:
        kubeconfig = str(server.kubeconfig(tmp_path / "kubeconfig"))
        monkeypatch.setenv("KUBECONFIG", kubeconfig)
        monkeypatch.setattr(
            "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", kubeconfig
        )  # read once, at the import
        yield server


def write_environment(project: Path, name: str, *, access: str) -> None:
    """Write the environment.yaml of one environment, on a free port."""
    folder = project / "environments" / name
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(
        f"name: {name}\nmlflow: http://127.0.0.1:{free_port()}\n"
        f"storage: .titlebout/{name}/storage\naccess: {access}\n"
    )


def free_port() -> int:
    """Return a port of this machine that was free a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
