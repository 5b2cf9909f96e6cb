"""Fill an object store of the chart's default size to its end.

Every bucket can be filled, and an event warns before the disk is full.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.mlflow_namespace import CHART, MlflowNamespace, install_mlflow_on_disk

from titlebout.cluster import tunnel
from titlebout.spec import StorageError
from titlebout.storage import Storage

pytestmark = [
    pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="needs a cluster: KUBECONFIG"),
    pytest.mark.timeout(1500),
]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SIZE = VALUES["storage"]["size"].removesuffix("i")
BUCKETS = tuple(VALUES["storage"]["buckets"].values())
MIB = 2**20
PIECE_BYTES = 16 * MIB
# The test writes this much itself; one large file fills the rest beforehand.
LEFT_BYTES = 1200 * MIB
MOST_PIECES = 200
EVENT_SECONDS = 180.0  # the probe runs each minute, and the kubelet needs time to report


@pytest.fixture(scope="module")
def namespace_and_disk(images) -> Iterator[tuple[MlflowNamespace, Path]]:
    """Install MLflow, and return its namespace and the folder of its store's disk."""
    with install_mlflow_on_disk("prod", images, SIZE) as made:
        yield made


@pytest.fixture
def stores(namespace_and_disk, monkeypatch) -> Iterator[dict[str, Storage]]:
    """Return a storage for each bucket, by its name."""
    mlflow_namespace, _ = namespace_and_disk
    with tunnel(None, mlflow_namespace.namespace, "storage", 8333) as url:
        for name, value in (mlflow_namespace.secret("storage") | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        yield {bucket: Storage(f"s3://{bucket}/full") for bucket in BUCKETS}


def full_events(mlflow_namespace: MlflowNamespace) -> list[str]:
    """Return the messages of events that warn of a full disk."""
    events = mlflow_namespace.api.core.list_namespaced_event(
        mlflow_namespace.namespace, field_selector="involvedObject.name=storage-0"
    ).items
    return [
        event.message
        for event in events
        if event.involved_object.field_path == "spec.containers{disk}" and "full" in event.message
    ]


def containers(mlflow_namespace: MlflowNamespace) -> dict[str, tuple[bool, int]]:
    """Return for each container whether it is ready, and how often it was restarted."""
    found = mlflow_namespace.api.core.read_namespaced_pod(
        "storage-0", mlflow_namespace.namespace
    ).status.container_statuses
    return {one.name: (one.ready, one.restart_count) for one in found}


def piece(number: int) -> bytes:
    """Return 16 MiB that differ by their number."""
    return number.to_bytes(8, "big") * (PIECE_BYTES // 8)


def test_filled_to_the_end(namespace_and_disk, stores):
    """A full store refuses in clear words and keeps what was written.

    Each bucket can be written on an empty disk. An event warns before the disk is full and restarts
    nothing. When there is room again, every bucket can be written again.
    """
    mlflow_namespace, folder = namespace_and_disk
    for bucket, store in stores.items():
        store.write(bucket.encode(), "first")
    assert full_events(mlflow_namespace) == []
    free = os.statvfs(folder)
    ballast = folder / "ballast"
    subprocess.run(
        ["fallocate", "--length", str(free.f_bavail * free.f_frsize - LEFT_BYTES), ballast],
        check=True,
    )
    event_deadline = time.monotonic() + EVENT_SECONDS
    while not full_events(mlflow_namespace) and time.monotonic() < event_deadline:
        time.sleep(2)
    assert "volume data-storage-0 is" in full_events(mlflow_namespace)[0]
    written, refused = list[tuple[str, int]](), dict[str, StorageError]()
    for number in range(MOST_PIECES):
        bucket = BUCKETS[number % len(BUCKETS)]
        if bucket in refused:
            continue
        try:
            stores[bucket].write(piece(number), str(number))
            written.append((bucket, number))
        except StorageError as error:
            refused[bucket] = error
        if len(refused) == len(BUCKETS):
            break
    assert refused.keys() == set(BUCKETS)
    assert {bucket for bucket, _ in written} == set(BUCKETS)
    assert all("has free space" in error.next_step for error in refused.values())
    for bucket, store in stores.items():
        assert store.read("first") == bucket.encode()
    for bucket, number in written:
        assert stores[bucket].read(str(number)) == piece(number)
    assert containers(mlflow_namespace) == {"seaweedfs": (True, 0), "disk": (True, 0)}
    ballast.unlink()
    write_deadline = time.monotonic() + EVENT_SECONDS  # the store checks its disk once a minute
    while True:
        try:
            for store in stores.values():
                store.write(b"again", "again")
            break
        except StorageError:
            assert time.monotonic() < write_deadline
            time.sleep(5)
    mlflow_namespace.replace("statefulset", "storage")
    with (
        tunnel(None, mlflow_namespace.namespace, "storage", 8333) as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL", url)
        for bucket, number in written:
            assert Storage(f"s3://{bucket}/full").read(str(number)) == piece(number)
