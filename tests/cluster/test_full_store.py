"""An object store on a file system of the chart's default size: every bucket can be filled, and somebody is told before it is full."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.mlflow_namespace import CHART, Place, installed_on_disk

from titlebout.cluster import tunnel
from titlebout.spec import StorageError
from titlebout.storage import Storage

pytestmark = [
    pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="needs a cluster: KUBECONFIG"),
    pytest.mark.timeout(1500),
]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SIZE, BUCKETS = (
    VALUES["storage"]["size"].removesuffix("i"),
    tuple(VALUES["storage"]["buckets"].values()),
)
MIB = 2**20
PIECE_BYTES = 16 * MIB
LEFT_BYTES = (
    1200 * MIB
)  # what the test fills itself: the rest is one large file, as if it had been filled before
MOST_PIECES = 200
EVENT_SECONDS = 180.0  # the probe's minute, and the kubelet's time to tell


@pytest.fixture(scope="module")
def place_and_disk(images) -> Iterator[tuple[Place, Path]]:
    with installed_on_disk("prod", images, SIZE) as made:
        yield made


@pytest.fixture
def stores(place_and_disk, monkeypatch) -> Iterator[dict[str, Storage]]:
    """By bucket."""
    place, _ = place_and_disk
    with tunnel(None, place.namespace, "storage", 8333) as url:
        for name, value in (place.secret("storage") | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        yield {bucket: Storage(f"s3://{bucket}/full") for bucket in BUCKETS}


def full_events(place: Place) -> list[str]:
    events = place.api.core.list_namespaced_event(
        place.namespace, field_selector="involvedObject.name=storage-0"
    ).items
    return [
        event.message
        for event in events
        if event.involved_object.field_path == "spec.containers{disk}" and "full" in event.message
    ]


def containers(place: Place) -> dict[str, tuple[bool, int]]:
    """Whether each is ready, and how often it was restarted."""
    found = place.api.core.read_namespaced_pod(
        "storage-0", place.namespace
    ).status.container_statuses
    return {one.name: (one.ready, one.restart_count) for one in found}


def piece(number: int) -> bytes:
    return number.to_bytes(8, "big") * (PIECE_BYTES // 8)


def test_filled_to_the_end(place_and_disk, stores):
    """Each bucket can be written on an empty disk; a full one refuses in clear words, and what was written stays.

    An event says so before, restarts nothing, and with room again all is well.
    """
    place, folder = place_and_disk
    for bucket, store in stores.items():
        store.write(bucket.encode(), "first")
    assert full_events(place) == []
    free = os.statvfs(folder)
    ballast = folder / "ballast"
    subprocess.run(
        ["fallocate", "--length", str(free.f_bavail * free.f_frsize - LEFT_BYTES), ballast],
        check=True,
    )
    told = time.monotonic() + EVENT_SECONDS
    while not full_events(place) and time.monotonic() < told:
        time.sleep(2)
    assert "volume data-storage-0 is" in full_events(place)[0]
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
    assert containers(place) == {"seaweedfs": (True, 0), "disk": (True, 0)}
    ballast.unlink()
    again = time.monotonic() + EVENT_SECONDS  # it looks at its disk once a minute
    while True:
        try:
            for store in stores.values():
                store.write(b"again", "again")
            break
        except StorageError:
            assert time.monotonic() < again
            time.sleep(5)
    place.replace("statefulset", "storage")
    with (
        tunnel(None, place.namespace, "storage", 8333) as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL", url)
        for bucket, number in written:
            assert Storage(f"s3://{bucket}/full").read(str(number)) == piece(number)
