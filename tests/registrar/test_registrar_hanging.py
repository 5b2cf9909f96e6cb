"""Wait a short time, and only where needed, for an MLflow or a store that never answers."""

import socket
import threading
import time

import pytest
from support.registrar_ledger import RegistrarLedger, statement_of

from titlebout.registrar import registrar as module
from titlebout.registrar.http_api import STUCK_SECONDS, _answer
from titlebout.registrar.registrar import Registrar
from titlebout.spec import StorageError
from titlebout.storage import Storage

PATIENCE_SECONDS = 1.0  # for tests; a ledger in SQLite takes far less
BUSY_SECONDS = 20.0  # 25 calls would take longer


@pytest.fixture
def hanging():
    """Return an address where the kernel takes connections and nobody reads them."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(100)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def impatient(registrar, hanging, monkeypatch):
    """Make a registrar whose MLflow hangs."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", PATIENCE_SECONDS)
    return Registrar(registrar.settings.model_copy(update={"mlflow": hanging}))


def write_a_switch(registrar, tmp_path, model: str) -> RegistrarLedger:
    """Let the registrar write a switch of this model."""
    registrar_ledger = RegistrarLedger(tmp_path, model)
    registrar.see(
        registrar_ledger.next_sighting(statement_of("blue", registrar_ledger.release(1), None))
    )
    registrar.step(wait_seconds=0.01)
    return registrar_ledger


def test_no_ledger_waits_for_an_alias(impatient, tmp_path):
    """Write another model's change while the first one's alias is still asked for."""
    write_a_switch(impatient, tmp_path, "first")
    aliases = threading.Thread(target=impatient.follow, kwargs={"wait_seconds": 0.01})
    aliases.start()
    second = write_a_switch(impatient, tmp_path, "second")
    assert aliases.is_alive()
    assert [kind for kind, _, _ in second.entries()] == ["switched"]
    aliases.join()
    assert "expected an answer; found none" in impatient.problems["alias of first"]
    assert impatient.is_behind("first")
    assert impatient.is_behind("second")


def test_a_registrar_that_waits_for_mlflow_is_alive(impatient, tmp_path):
    """Count every model that was asked for as a sign of life, however many there are."""
    for model in ("first", "second"):
        write_a_switch(impatient, tmp_path, model)
    impatient.note_turn = lambda thread: impatient.turns.update(
        {thread: impatient.turns.get(thread, 0) + 1}
    )
    impatient.turns.clear()
    impatient.follow(wait_seconds=0.01)
    assert impatient.turns == {"aliases": 3}
    impatient.turns["aliases"] = time.monotonic() - STUCK_SECONDS - 1
    assert _answer(impatient, "/healthz")[1]["stuck"] == ["aliases"]


def test_a_store_that_hangs_is_asked_once(hanging, monkeypatch):
    """Ask once: by themselves, s3fs and botocore together ask for minutes."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", hanging)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "two")
    began = time.monotonic()
    with pytest.raises(StorageError, match="expected a store that lets us read it"):
        Storage("s3://titlebout", answer_seconds=PATIENCE_SECONDS).read("ledger", "tiny.json")
    assert time.monotonic() - began < BUSY_SECONDS
