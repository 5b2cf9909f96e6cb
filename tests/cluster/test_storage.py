"""Check that a folder and a namespace's object store give the same answers."""

import os
import secrets

import pytest
from support.mlflow_namespace import install_mlflow

from titlebout.cluster import tunnel
from titlebout.spec import IntegrityError, Record, StorageError
from titlebout.storage import Storage

pytestmark = [
    pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="needs a cluster: KUBECONFIG"),
    pytest.mark.timeout(300),
]


class Note(Record):
    """Hold a text, as the smallest record."""

    text: str


@pytest.fixture(scope="module")
def address(images):
    """Yield the address of an object store of a namespace of this test's own, through a tunnel."""
    with (
        install_mlflow("prod", images) as mlflow_namespace,
        tunnel(None, mlflow_namespace.namespace, "storage", 8333) as url,
    ):
        variables = mlflow_namespace.secret("storage") | {"AWS_ENDPOINT_URL": url}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            yield f"s3://titlebout/{secrets.token_hex(4)}"


@pytest.fixture(params=["folder", "bucket"])
def storage(request, tmp_path):
    """Return a storage in a folder, and one in a bucket."""
    return Storage(
        str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("address")
    )


def test_what_was_written_is_read(storage):
    """Read content, existence and names of what was written. A second write replaces the first."""
    assert not storage.exists("a", "x")
    assert storage.names("a") == []
    for content in (b"old", b"new"):
        storage.write(content, "a", "x")
    storage.write(b"", "a", "b", "y")
    assert (storage.read("a", "x"), storage.read("a", "b", "y")) == (b"new", b"")
    assert storage.names("a") == ["b", "x"]


def test_what_is_not_there_is_file_not_found(storage):
    """Raise FileNotFoundError for what is not there."""
    with pytest.raises(FileNotFoundError):
        storage.read("none")


def test_a_folder_is_written_with_what_is_below_it(storage, tmp_path):
    """Every file of a folder keeps its path and its content."""
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "one").write_bytes(b"1")
    (source / "deep" / "two").write_bytes(b"2")
    storage.put_folder(source, "kept")
    assert (storage.names("kept"), storage.names("kept", "deep")) == (["deep", "one"], ["two"])
    assert storage.read("kept", "one") == b"1"
    assert storage.read("kept", "deep", "two") == b"2"


def test_a_record_by_another_digest_is_refused(storage):
    """Refuse a record with another digest, and content that is no such record."""
    note = Note(text="x")
    storage.write_record(note, "note")
    assert storage.read_record(Note, "note", digest=note.digest) == note
    with pytest.raises(IntegrityError, match="digest 0000"):
        storage.read_record(Note, "note", digest="0" * 64)
    storage.write(b"{}", "note")
    with pytest.raises(IntegrityError, match="Note record"):
        storage.read_record(Note, "note")


def test_what_another_client_wrote_is_seen(address):
    """A listing shows what another client has written since."""
    ours, other = Storage(f"{address}/shared"), Storage(f"{address}/shared")
    other.filesystem = type(other.filesystem)(
        **{**other.filesystem.storage_options, "skip_instance_cache": True}
    )
    ours.write(b"", "list", "one")
    assert ours.names("list") == ["one"]
    other.write(b"", "list", "two")
    assert ours.names("list") == ["one", "two"]
    assert ours.exists("list", "two")


@pytest.mark.parametrize("call", ["exists", "read", "names"])
def test_a_store_that_is_away_is_named(address, monkeypatch, call):
    """The error of a store that is away names the path, the address and the next step."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match=r"titlebout/.*127\.0\.0\.1:9.*Next:"):
        getattr(Storage(address), call)("x")


def test_credentials_that_may_not_are_named(address, monkeypatch):
    """Raise StorageError for wrong credentials."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="credentials"):
        Storage(address).write(b"", "x")
