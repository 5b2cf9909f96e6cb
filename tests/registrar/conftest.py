"""Make a live Service, a registrar over the same ledger and storage, and an API server."""

import socket

import pytest
from support.fake_watch_api import FakeApi
from support.registrar_ledger import RegistrarLedger

from titlebout.registrar.registrar import Registrar
from titlebout.registrar.settings import RegistrarSettings


@pytest.fixture
def registrar_ledger(tmp_path):
    """Make a model's ledger and live Service."""
    return RegistrarLedger(tmp_path)


@pytest.fixture
def registrar(tmp_path):
    """Make a registrar whose MLflow is away, which keeps no ledger from being written."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    settings = RegistrarSettings(
        namespace="tests-prod",
        environment="prod",
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}",
        storage=str(tmp_path / "storage"),
        mlflow=f"http://127.0.0.1:{closed}",
        user="releaser",
        password="releaser",
        port=0,
    )
    return Registrar(settings)


@pytest.fixture
def fake_api():
    """Run an API server of one namespace's Services and Deployments."""
    fake = FakeApi()
    yield fake
    fake.close()
